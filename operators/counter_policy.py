"""What the readings of a source's counters mean: declared, never guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from operators.partials import INSTANT, QUANTITY

REGISTERS = ("quantity_good", "quantity_scrap", "quantity_rework")
INCREMENTS = ("increment_good", "increment_scrap", "increment_rework")
#: What a policy may name as identity, beside the work centre that always belongs to it.
IDENTITY = ("source", "counter", "order_id", "operation", "unit")

#: Columns that `increments` needs; others travel along.
READING: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "work_center": pl.String(),
    "source": pl.String(),
    "counter": pl.String(),
    "order_id": pl.String(),
    "operation": pl.String(),
    "unit": pl.String(),
    "event_id": pl.String(),
    "event_time": INSTANT,
    "sequence": pl.Int64(),
    "reading_event": pl.String(),
    **dict.fromkeys(REGISTERS, QUANTITY),
}
#: A reading that the policy does not explain, with the register concerned and both numbers.
QUARANTINED: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "work_center": pl.String(),
    "source": pl.String(),
    "counter": pl.String(),
    "event_id": pl.String(),
    "event_time": INSTANT,
    "reason": pl.String(),
    "register": pl.String(),
    "previous": QUANTITY,
    "found": QUANTITY,
}


class CounterPolicy(BaseModel):
    """What the readings of a source mean.

    Args:
        identity: Columns that tell counters of a work centre apart, as the row itself names them.
        start: What the first reading of a counter is: a baseline that counts nothing, or a count from zero.
            With `opening_event` the readings at that event are the baselines, and counters that it does not
            list start from zero; before the first such event the first reading is a baseline.
        opening_event: Name in `reading_event`, for start `opening_event`.
        lower: What a lower reading is. `reset`: the counter has started again, if all registers are at most
            `reset_below`, or if the reading is made at `reset_event`. `rollover`: the register has wrapped at
            `modulus`. `signed_correction`: pieces are taken back. `quarantine`: unexplained.
        reset_below: Highest reading that is near zero.
        reset_event: Name in `reading_event` at which the counter starts from zero again.
        modulus: Count at which a register wraps, for instance 65536.
        largest_step: A larger increment is unexplained; with `rollover` half the modulus if not given.
        confirm_after: Further readings, each higher than the one before, that confirm an unexplained level; 0
            never does, then only an opening or reset event ends the quarantine.
        order_by: `event_time`, or `sequence` where the clock is coarse or steps back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: tuple[Literal["source", "counter", "order_id", "operation", "unit"], ...] = (
        "source",
        "counter",
    )
    start: Literal["first_reading_is_baseline", "zero", "opening_event"] = "first_reading_is_baseline"
    opening_event: str | None = None
    lower: Literal["reset", "rollover", "signed_correction", "quarantine"] = "quarantine"
    reset_below: Decimal | None = Field(default=None, ge=0)
    reset_event: str | None = None
    modulus: Decimal | None = Field(default=None, gt=0)
    largest_step: Decimal | None = Field(default=None, gt=0)
    confirm_after: int = Field(default=1, ge=0, le=100)
    order_by: Literal["event_time", "sequence"] = "event_time"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.start == "opening_event") != (self.opening_event is not None):
            raise ValueError("opening_event: name it with start opening_event, and only then")
        if (self.lower == "rollover") != (self.modulus is not None):
            raise ValueError("modulus: give it with lower rollover, and only then")
        resets = self.reset_below is not None or self.reset_event is not None
        if (self.lower == "reset") != resets:
            raise ValueError("reset_below, reset_event: give one with lower reset, and only then")
        return self
