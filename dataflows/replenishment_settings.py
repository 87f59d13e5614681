"""Settings of the replenishment flow."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from dataflows.flow_settings import FLOW_NAME, SECOND, FlowSettings
from dataflows.kept_files import KEPT, KeptFiles
from operators.replenishment_config import ReplenishmentConfig
from operators.replenishment_policy import PolicyBook, ReplenishmentRule
from operators.stock_mismatch import Tolerance

_MOVES = ("MaterialConsumption", "QualityEvent", "GoodsMovement", "GoodsReceipt")
_PROCURES = ("PurchaseOrder", "OrderAcknowledgement", "ShipmentNotice", "PostingResult")


class ReplenishmentSettings(FlowSettings):
    """The replenishment flow.

    Args:
        rules: How materials are ordered; the first rule that matches a place counts. Without any, stock is shown and
            nothing is ordered.
        movements: Where issues, returns, scrap and by-products are counted from: `consumption` as it is reported, or
            the `documents` that were made of it. Never both.
        without: Contracts that this plant has no topic of.
        judge_s: Seconds of event time between the instants at which stock is judged.
        keep_h: Hours that movements are kept before the newest balance of their place: longer than balances lie apart
            that are to be compared, and than revisions of a movement come apart.
        keep_papers_days: Days that papers of a closed request are kept.
        mismatch_quantity: Reported and projected stock may differ by this much, in the base unit, before an alert.
        mismatch_percent: Or by this much of what is reported.
    """

    events: ClassVar[tuple[str, ...]] = ("InventoryBalance", *_MOVES, *_PROCURES)
    references: ClassVar[tuple[str, ...]] = ("Material",)
    outputs: ClassVar[tuple[str, ...]] = ("ReplenishmentRequest", "StockProjection", "DeadLetter", "Alert")
    laid_out: ClassVar[tuple[str, ...]] = ("flow", "lanes", "shards", "judge_s")
    steps: ClassVar[int] = 3
    resumes: ClassVar[tuple[int, ...]] = (1, 2)

    flow: str = Field(default="replenishment", pattern=FLOW_NAME)
    rules: tuple[ReplenishmentRule, ...] = ()
    movements: Literal["consumption", "documents"] = "consumption"
    without: tuple[str, ...] = ()
    judge_s: float = Field(default=60, gt=0)
    keep_h: float = Field(default=12, gt=0)
    keep_papers_days: float = Field(default=30, gt=0)
    mismatch_quantity: Decimal = Field(default=Decimal(0), ge=0)
    mismatch_percent: Decimal = Field(default=Decimal(0), ge=0)
    epoch_s: float = Field(default=2, ge=0, le=60)

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = set(self.without) - set(self.events)
        if unknown:
            raise ValueError(f"without: the flow reads no {', '.join(sorted(unknown))}")
        counted = "MaterialConsumption" if self.movements == "consumption" else "GoodsMovement"
        if counted in self.without or "InventoryBalance" in self.without:
            raise ValueError(f"without: stock can't be known without InventoryBalance and {counted}")
        return self

    @property
    def book(self) -> PolicyBook:
        """The rules by place."""
        return PolicyBook(self.rules)

    def reads(self) -> tuple[str, ...]:
        """Contracts whose topics are read."""
        return tuple(name for name in self.events if name not in self.without)

    def config(self, *, hold: bool) -> ReplenishmentConfig:
        """How stock is judged; `hold` announces from durable state alone."""
        return ReplenishmentConfig(
            rules=self.book,
            step=int(self.judge_s * SECOND),
            keep=timedelta(hours=self.keep_h),
            keep_papers=timedelta(days=self.keep_papers_days),
            tolerance=Tolerance(self.mismatch_quantity, self.mismatch_percent),
            hold=hold,
            most_waiting=self.most_waiting,
            files=KeptFiles(self.recovery / KEPT) if hold and self.recovery is not None else None,
        )


__all__ = ["ReplenishmentSettings"]
