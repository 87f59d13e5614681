"""How each material is ordered, by rules with patterns; the first rule that matches a place counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from math import ceil
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from operators.reorder_point import Cover, Demand, reorder_point, safety_stock
from operators.request_lifecycle import Terms
from operators.safety_stock import Place, Replenishment

_ZERO = Decimal(0)


class ReplenishmentRule(BaseModel):
    """How the materials of matching places are ordered; quantities in their base unit, times in the unit that is named.

    s is `reorder_point`, or computed from demand and lead time: `demand_mean` and `demand_deviation` where they are
    given, else learned from consumption over `learn_days`. Until that many days as `learn_least` are known,
    `reorder_point` holds, or nothing is ordered.

    Args:
        plant: Pattern, as in a shell.
        material: Pattern.
        storage_location: Pattern.
        reorder_point: s.
        safety_stock: Part of a given s that covers deviations; it is only told in the request.
        order_up_to: S, with a given s.
        cover_days: S as s plus the mean demand of so many days, with a computed s.
        lot_size: Q; with S the quantity is rounded up to a multiple of it.
        hysteresis: h: armed again above s + h.
        demand_mean: Demand per day.
        demand_deviation: Its standard deviation.
        learn_days: Days of consumption that demand is learned from.
        learn_least: Days that have to be known before what was learned counts.
        lead_time_mean: Lead time, days; a request asks for delivery after it.
        lead_time_deviation: Its standard deviation, days.
        service_factor: z of the service level; 1.65 means that 95 of 100 cycles do not run out.
        supplier: Supplier that requests propose.
        purchasing_group: Buyers that requests go to.
        price: Price of one base unit; None takes that of the newest purchase order.
        currency: Currency of `price`.
        approval_above: Requests of a higher value wait for approval, and so do those whose value is not known.
        acknowledge_h: Hours within which a supplier acknowledges an order.
        unanswered_days: Days after which a request without purchase order is given up: withdrawn, and asked for anew.
            One that the ERP has booked stands and counts, and an alert tells of it.
        ask_again_h: Hours after a rejection at which a place that is still short asks anew; None: once the
            `unanswered_days` of the rejected request are over. A person may have it tried again at any time.
        quantity_percent: Acknowledged and received quantities may differ by this much.
        price_percent: Acknowledged prices may differ by this much.
        late_h: Hours after the day of delivery begins at which it is late.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plant: str = "*"
    material: str = "*"
    storage_location: str = "*"
    reorder_point: Decimal | None = Field(default=None, ge=0)
    safety_stock: Decimal = Field(default=_ZERO, ge=0)
    order_up_to: Decimal | None = Field(default=None, gt=0)
    cover_days: Decimal | None = Field(default=None, gt=0)
    lot_size: Decimal | None = Field(default=None, gt=0)
    hysteresis: Decimal = Field(default=_ZERO, ge=0)
    demand_mean: Decimal | None = Field(default=None, ge=0)
    demand_deviation: Decimal = Field(default=_ZERO, ge=0)
    learn_days: int | None = Field(default=None, ge=2, le=400)
    learn_least: int = Field(default=7, ge=2)
    lead_time_mean: Decimal | None = Field(default=None, ge=0)
    lead_time_deviation: Decimal = Field(default=_ZERO, ge=0)
    service_factor: Decimal = Field(default=Decimal("1.65"), ge=0)
    supplier: str | None = None
    purchasing_group: str | None = None
    price: Decimal | None = Field(default=None, ge=0)
    currency: str = ""
    approval_above: Decimal | None = Field(default=None, ge=0)
    acknowledge_h: float = Field(default=24, gt=0)
    unanswered_days: float = Field(default=14, gt=0)
    ask_again_h: float | None = Field(default=None, gt=0)
    quantity_percent: Decimal = Field(default=_ZERO, ge=0)
    price_percent: Decimal = Field(default=_ZERO, ge=0)
    late_h: float = Field(default=24, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.is_computed and self.reorder_point is None:
            raise ValueError("reorder_point, or lead_time_mean with demand_mean or learn_days: one of them gives s")
        if self.is_computed and self.order_up_to is not None:
            raise ValueError("order_up_to: with a computed s give cover_days or lot_size, which follow it")
        if self.order_up_to is None and self.cover_days is None and self.lot_size is None:
            raise ValueError("order_up_to, cover_days or lot_size: one of them says how much is ordered")
        if self.cover_days is not None and not self.is_computed:
            raise ValueError("cover_days: needs a computed s")
        if self.reorder_point is not None and self.order_up_to is not None and self.order_up_to <= self.reorder_point:
            raise ValueError(f"order_up_to: {self.order_up_to} is not above reorder_point {self.reorder_point}")
        if self.price is not None and not self.currency:
            raise ValueError("currency: needed with price")
        return self

    @property
    def is_computed(self) -> bool:
        """S follows from demand and lead time."""
        return self.lead_time_mean is not None and (self.demand_mean is not None or self.learn_days is not None)

    def covers(self, place: Place) -> bool:
        """Whether it is about a place."""
        patterns = (self.plant, self.material, self.storage_location)
        return all(pattern == "*" or fnmatchcase(name, pattern) for name, pattern in zip(place, patterns, strict=True))

    @property
    def terms(self) -> Terms:
        """How soon partners answer, and what may differ."""
        return Terms(
            acknowledge=timedelta(hours=self.acknowledge_h),
            order=timedelta(days=self.unanswered_days),
            quantity_percent=self.quantity_percent,
            price_percent=self.price_percent,
            late=timedelta(hours=self.late_h),
            again=None if self.ask_again_h is None else timedelta(hours=self.ask_again_h),
        )

    @property
    def lead_days(self) -> int:
        """Whole days after which a request asks for delivery."""
        return ceil(self.lead_time_mean or 0)


@dataclass(frozen=True, slots=True)
class Policy:
    """How a place is ordered now.

    Args:
        rule: Its rule.
        replenishment: s, S, Q and h; None where nothing is ordered, since demand is not known, or nothing to speak of.
        demand: Demand that s was computed from; None where s is given.
        cover: Lead time and service level that s was computed from.
        safety_stock: Part of s that covers deviations.
    """

    rule: ReplenishmentRule
    replenishment: Replenishment | None
    demand: Demand | None = None
    cover: Cover | None = None
    safety_stock: Decimal = _ZERO


def policy(rule: ReplenishmentRule, learned: Demand | None) -> Policy:
    """The policy of a rule.

    Args:
        rule: The rule.
        learned: Demand learned from consumption; None where it is not known.
    """
    demand = learned if rule.demand_mean is None else Demand(rule.demand_mean, rule.demand_deviation)
    if not rule.is_computed or demand is None or rule.lead_time_mean is None:
        return _given(rule, demand)
    cover = Cover(rule.lead_time_mean, rule.lead_time_deviation, rule.service_factor)
    point = reorder_point(demand, cover)
    up_to = None if rule.cover_days is None else point + (demand.mean * rule.cover_days).quantize(Decimal("0.000001"))
    made = None
    if demand.mean > 0 and (up_to is None or up_to > point):
        made = Replenishment(point, up_to, rule.lot_size, rule.hysteresis, demand.mean)
    return Policy(rule, made, demand, cover, safety_stock(demand, cover))


def _given(rule: ReplenishmentRule, demand: Demand | None) -> Policy:
    if rule.reorder_point is None or (rule.order_up_to is None and rule.lot_size is None):
        return Policy(rule, None)
    mean = demand.mean if demand is not None and demand.mean > 0 else None
    made = Replenishment(rule.reorder_point, rule.order_up_to, rule.lot_size, rule.hysteresis, mean)
    return Policy(rule, made, safety_stock=rule.safety_stock)


@dataclass(slots=True)
class PolicyBook:
    """The rules, and which one each place has; a place that no rule covers is not ordered."""

    rules: Sequence[ReplenishmentRule]
    _found: dict[Place, ReplenishmentRule | None] = field(default_factory=dict)

    @property
    def learns(self) -> bool:
        """Some rule needs what was consumed."""
        return any(rule.learn_days is not None for rule in self.rules)

    @property
    def days(self) -> int:
        """Days of consumption that have to be kept."""
        return max((rule.learn_days or 0 for rule in self.rules), default=0)

    def rule(self, place: Place) -> ReplenishmentRule | None:
        """The rule of a place."""
        if place not in self._found:
            self._found[place] = next((rule for rule in self.rules if rule.covers(place)), None)
        return self._found[place]


__all__ = ["Policy", "PolicyBook", "ReplenishmentRule", "policy"]
