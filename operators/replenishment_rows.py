"""What replenishment takes of accepted records: balances, movements, papers and demand, as rows that shards keep.

Consumption and the documents that were made of it are never both counted: `documents` says which. Of documents only
those are taken that no other topic tells: goods receipts of purchase orders and changes of status have their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import polars as pl

from operators import stock_movements
from operators.lane_config import Route
from operators.lane_output import LaneOutput
from operators.lane_rows import Rows
from operators.partials import INSTANT, QUANTITY
from operators.request_papers import CONTRACTS as PAPERS
from operators.request_papers import PAPER, papers
from operators.shifts import CalendarBook
from operators.stock import BALANCE, MOVEMENT, REPORTED, STOCK_KEY, balances
from operators.stock_moved import MOVED
from operators.windows import Window

COUNTED, MOVEMENTS, REVISED, PAPERED, CONSUMED = "counted", "moved", "revised", "papers", "consumed"
#: What `MOVEMENTS` were in states and letters of release 1: rows by status that are never revised.
PLAIN = "plain"
#: What is used up, for demand.
CONSUMPTION: dict[str, pl.DataType] = {**STOCK_KEY, "time": INSTANT, "unit": pl.String(), "quantity": QUANTITY}
#: Columns of each kind of row, and those of them that are quantities.
ROWS: dict[str, tuple[dict[str, pl.DataType], tuple[str, ...]]] = {
    COUNTED: (BALANCE, REPORTED),
    MOVEMENTS: (MOVED, ("quantity",)),
    PLAIN: (MOVEMENT, ("quantity",)),
    REVISED: (MOVEMENT, ("quantity",)),
    PAPERED: (PAPER, ("quantity",)),
    CONSUMED: (CONSUMPTION, ("quantity",)),
}
_USED = {"ISSUE": 1, "SCRAP": 1, "RETURN": -1}
_ALWAYS = ("RECEIPT", "TRANSFER")
_OF_CONSUMPTION = ("ISSUE", "RETURN", "SCRAP", "BY_PRODUCT")


def route(*, documents: bool, learns: bool) -> Route:
    """Takes what a lane accepted.

    Args:
        documents: Issues, returns, scrap and by-products are counted from GoodsMovement, else from MaterialConsumption.
        learns: Demand is learned from MaterialConsumption.
    """

    def hand_on(
        output: LaneOutput, _counts: Counter[str], rows: Rows, _window: Window, _calendar: CalendarBook
    ) -> None:
        for name, frame in _rows(rows.contract, rows.frame, documents=documents, learns=learns):
            if frame.height:
                output.rows.setdefault(name, []).append(frame)

    return hand_on


def _rows(contract: str, frame: pl.DataFrame, *, documents: bool, learns: bool) -> Iterator[tuple[str, pl.DataFrame]]:
    if contract == "InventoryBalance":
        yield COUNTED, balances(frame)
    elif contract == "MaterialConsumption":
        if not documents:
            yield MOVEMENTS, stock_movements.of_consumption(frame)
        if learns:
            yield CONSUMED, _consumed(frame)
    elif contract == "QualityEvent":
        yield MOVEMENTS, stock_movements.of_quality(frame)
    elif contract == "GoodsMovement":
        yield REVISED, stock_movements.of_documents(_counted(frame, documents))
    if contract == "GoodsReceipt":
        yield REVISED, stock_movements.of_receipts(frame)
    if contract in PAPERS:
        yield PAPERED, papers(contract, frame)


def _counted(frame: pl.DataFrame, documents: bool) -> pl.DataFrame:
    kinds = (*_ALWAYS, *_OF_CONSUMPTION) if documents else _ALWAYS
    return frame.filter(
        pl.col("movement").cast(pl.String).is_in(kinds) & stock_movements.said("purchase_order").is_null()
    )


def _consumed(frame: pl.DataFrame) -> pl.DataFrame:
    kind = pl.col("kind").cast(pl.String)
    sign = kind.replace_strict(_USED, default=0, return_dtype=pl.Int64)
    used = frame.filter(kind.is_in(list(_USED))).with_columns(pl.col("quantity") * sign, time=pl.col("event_time"))
    return used.select(pl.col(name).cast(dtype) for name, dtype in CONSUMPTION.items())


def effective(name: str) -> pl.Expr:
    """When a row of a kind begins to count, microseconds: nothing is judged before it has happened."""
    if name == COUNTED:
        return pl.max_horizontal("as_of", "counted_at").to_physical()
    return pl.col("time").to_physical()


__all__ = [
    "CONSUMED",
    "CONSUMPTION",
    "COUNTED",
    "MOVEMENTS",
    "PAPERED",
    "PLAIN",
    "REVISED",
    "ROWS",
    "effective",
    "route",
]
