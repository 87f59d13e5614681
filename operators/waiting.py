"""Totals that wait for reference data: bounded in time and in rows, then given up by name of what is missing.

A total given up stays until its window would leave the state, so an order that comes late still finds it.
What is dropped for lack of room is not lost either: its dead letter carries key, revision and total, and can
be replayed through the ledger.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from operators.confirmations import IDENTITY
from operators.frames import from_bytes, to_bytes
from operators.screen import NO_PROGRESS
from operators.totals import TOTAL

WAITING: dict[str, pl.DataType] = {
    **TOTAL,
    "adjustment": pl.String(),
    "reason": pl.String(),
    "since": pl.Int64(),
    "given_up": pl.Boolean(),
}
ORDER_UNKNOWN, NO_ACTIVE_JOB, UNIT_UNKNOWN = "order_unknown", "no_active_job", "unit_conversion_unknown"
#: Waits for its operation to be complete, however long that takes; nothing is missing.
OPERATION_OPEN = "operation_open"
_MEASURES = [name for name, kind in TOTAL.items() if kind == TOTAL["quantity_yield"]]


class Waiting:
    """Rows of totals that can't become documents yet.

    Args:
        wait: Microseconds of event time that a total waits before it is given up.
        most: Rows kept; the oldest beyond that are given up at once.
    """

    def __init__(self, wait: int, most: int) -> None:
        self._wait, self._most = wait, most
        self.rows = pl.DataFrame(schema=WAITING)
        self._saved: bytes | None = None

    def put(self, rows: pl.DataFrame, reason: str, watermark: int) -> None:
        """Keep rows (TOTAL and adjustment); they replace what their documents had waiting."""
        since = self.rows.group_by(IDENTITY).agg(pl.col("since").min())
        # Before time has passed at all, a total waits from its own last event on.
        newest = pl.col("last_time").to_physical().max().over(IDENTITY)
        start = pl.lit(watermark) if watermark > NO_PROGRESS else newest
        fresh = rows.join(since, on=IDENTITY, how="left").with_columns(
            reason=pl.lit(reason), since=pl.coalesce("since", start), given_up=pl.lit(value=False)
        )
        fresh = fresh.select(pl.col(name).cast(kind) for name, kind in WAITING.items())
        self._set(pl.concat([self.rows.join(rows, on=IDENTITY, how="anti"), fresh]))

    def settle(self, rows: pl.DataFrame) -> None:
        """Documents of these rows (IDENTITY) wait no longer."""
        if self.rows.height:
            self._set(self.rows.join(rows, on=IDENTITY, how="anti"))

    def take(self, orders: pl.DataFrame) -> pl.DataFrame:
        """Rows of these orders (plant, order_id); they stay until they are settled."""
        return self.rows.join(orders, on=["plant", "order_id"], how="semi").select(*TOTAL, "adjustment")

    def expired(self, watermark: int, frontier: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows to give up now, with their reason, and of totals without a job those of which nothing is left.

        What left the correction horizon is dropped after that.
        """
        if not self.rows.height:
            return self.rows, self.rows
        documents = self._documents(watermark)
        given = documents.filter((pl.col("due") | pl.col("crowded")) & ~pl.col("given_up"))
        past = (pl.col("due") | pl.col("given_up")) & (pl.col("newest") <= frontier)
        gone = documents.filter(pl.col("crowded") | past)
        # A total that went back to nothing (its pieces found their job) is nothing to report.
        told = self.rows.join(given.filter("counts"), on=IDENTITY, how="semi")
        empty = self.rows.join(given.filter(~pl.col("counts")), on=IDENTITY, how="semi")
        if given.height or gone.height:
            kept = self.rows.join(gone, on=IDENTITY, how="anti").join(
                given.select(*IDENTITY, now=pl.lit(value=True)), on=IDENTITY, how="left"
            )
            marked = pl.col("given_up") | pl.col("now").fill_null(value=False)
            self._set(kept.with_columns(given_up=marked).select(list(WAITING)))
        return told, empty.filter(pl.col("reason") == NO_ACTIVE_JOB)

    def _documents(self, watermark: int) -> pl.DataFrame:
        """Documents that may be given up: due for their time, crowded out by newer ones, already given up."""
        documents = (
            self.rows.filter(pl.col("reason") != OPERATION_OPEN)
            .group_by(IDENTITY)
            .agg(
                pl.col("since").min(),
                pl.col("given_up").all(),
                pl.col("last_time").max().to_physical().alias("newest"),
                ((pl.col("revises").sum() > 0) & pl.any_horizontal(pl.col(_MEASURES) != 0).any()).alias("counts"),
                pl.len().cast(pl.Int64).alias("rows"),
            )
            .sort("since", *IDENTITY, descending=[True, *[False] * len(IDENTITY)])
        )
        return documents.with_columns(
            due=pl.col("since") + self._wait <= watermark, crowded=pl.col("rows").cum_sum() > self._most
        )

    def _set(self, rows: pl.DataFrame) -> None:
        self.rows, self._saved = rows, None

    def snapshot(self) -> bytes:
        """Arrow IPC bytes."""
        if self._saved is None:
            self._saved = to_bytes(self.rows)
        return self._saved

    def restore(self, state: bytes) -> None:
        """Go on from a snapshot."""
        self._set(from_bytes(state, WAITING))


def totals_given_up(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """One plain record per document given up: its key, reason, revision and measures summed over its rows."""
    parts = ("kind", "events", "scrap_reason", "origin", "first_offset", "last_offset", *_MEASURES, "unit")
    grouped = rows.group_by([*IDENTITY, "reason"], maintain_order=True).agg(
        pl.col("revises").sum(),
        pl.col("events").sum(),
        *(pl.col(name).sum() for name in _MEASURES),
        pl.col("unit").first(),
        pl.col("posting_date").max(),
        pl.col("window_end").max(),
        pl.col("first_time").min(),
        pl.col("last_time").max(),
        pl.struct(parts).alias("rows"),
    )
    return grouped.to_dicts()
