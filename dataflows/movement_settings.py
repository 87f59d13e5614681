"""Settings of the flow of goods movements."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from dataflows.flow_settings import FLOW_NAME, SECOND, FlowSettings, Section
from millrace.errors import Misconfigured
from operators.backflush import Policy
from operators.backflush_rules import BackflushRules, PolicyRule, Where
from operators.movement_documents import MovementConfig

#: A name, or the beginning of names with `*` behind it: what two of them have in common can be told for sure.
NAMES = r"^[^*]*\*?$"


class ComponentRule(Section):
    """Components of plants.

    Args:
        plant: Plant, or the beginning of plants with `*` behind it.
        component: Material, or the beginning of materials with `*` behind it.
    """

    plant: str = Field(default="*", pattern=NAMES)
    component: str = Field(default="*", pattern=NAMES)

    @property
    def where(self) -> Where:
        """As the rules take it."""
        return Where(self.plant, self.component)


class BackflushRule(ComponentRule):
    """What of a confirmed yield's components this flow books; the first rule that matches a component counts.

    Args:
        policy: `all`; `none`; `none_if_backflushed`: none of an operation of which the ERP backflushes any component;
            `only_non_backflushed`: those that the ERP does not backflush.
    """

    policy: Policy


class GoodsMovementsSettings(FlowSettings):
    """The flow of goods movements: reported consumption, and what confirmed yields imply.

    Args:
        window: `shift`, `day` or a duration such as `10m`.
        backflush: Components that this flow books from confirmed yields; none where no rule matches. With any, the
            flow also reads the topic of ProductionConfirmation.
        erp_backflush: Components that the ERP itself books with a confirmation; an order may name further ones.
        reported: Components whose issues the plant reports. Where another side books one of them too, the flow is
            not built.
        serialised: Materials with serial numbers: never posted automatically.
        without: `WorkOrder` where this plant has no topic of it, and no `backflush`. What an order leaves to
            the ERP is not known then: such components have to be named in `erp_backflush`.
    """

    events: ClassVar[tuple[str, ...]] = ("MaterialConsumption",)
    references: ClassVar[tuple[str, ...]] = ("Material", "WorkOrder", "ProductionConfirmation")
    outputs: ClassVar[tuple[str, ...]] = ("GoodsMovement", "DeadLetter", "Alert")

    flow: str = Field(default="goods_movements", pattern=FLOW_NAME)
    backflush: tuple[BackflushRule, ...] = ()
    erp_backflush: tuple[ComponentRule, ...] = ()
    reported: tuple[ComponentRule, ...] = ()
    serialised: tuple[ComponentRule, ...] = ()
    without: tuple[Literal["WorkOrder"], ...] = ()

    @model_validator(mode="after")
    def _bookable(self) -> Self:
        if self.window == "operation":
            raise ValueError("window: a movement has no operation's end to wait for; use shift, day or a duration")
        try:
            self.rules()
        except Misconfigured as error:
            raise ValueError(str(error)) from error
        if self.without and self.rules().any:
            raise ValueError("without: backflush follows from the bills of WorkOrder")
        return self

    def rules(self) -> BackflushRules:
        """Who books which component.

        Raises:
            Misconfigured: Two sides would book one.
        """
        return BackflushRules(
            policies=[PolicyRule(rule.where, rule.policy) for rule in self.backflush],
            erp=[rule.where for rule in self.erp_backflush],
            reported=[rule.where for rule in self.reported],
            serialised=[rule.where for rule in self.serialised],
        )

    def referred(self) -> tuple[str, ...]:
        """Reference contracts that are read: confirmations only where something is backflushed.

        Orders wherever there are any: they may leave to the ERP what the plant reports.
        """
        left_out = self.without if self.rules().any else (*self.without, "ProductionConfirmation")
        return tuple(name for name in self.references if name not in left_out)

    def movements(self) -> MovementConfig:
        """How movements are made."""
        return MovementConfig(self.rules(), int(self.wait_s * SECOND), self.most_waiting)
