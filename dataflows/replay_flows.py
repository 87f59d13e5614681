"""The flows that `millrace replay` knows: a further one is an entry in REPLAYABLE."""

from __future__ import annotations

import polars as pl

from dataflows import confirmations
from dataflows.replay import Replayable
from dataflows.replay_range import Linear
from millrace.errors import Misconfigured
from operators.lane_totals import total

_COUNTED = (
    pl.col("order_id").is_not_null()
    & pl.col("operation").is_not_null()
    & (pl.col("counting").cast(pl.String) == "DELTA")
)
REPLAYABLE: dict[str, Replayable] = {
    "confirmations": Replayable(
        wire=confirmations.wire,
        route=total,
        # As operators.routes.direct: increments of a named order, and whatever an operator reports.
        linear=Linear({"MachineCycle": _COUNTED, "OperationReport": pl.lit(value=True)}),
        kinds=("ProductionConfirmation",),
    ),
}


def replayable(name: str) -> Replayable:
    """How the flow of that name is replayed.

    Raises:
        Misconfigured: It can't be.
    """
    if name not in REPLAYABLE:
        raise Misconfigured(f"the flow {name!r} can't be replayed; there is: {', '.join(REPLAYABLE)}")
    return REPLAYABLE[name]
