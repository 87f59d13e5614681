"""Totals that wait for reference data: bounded in time and in rows, then given up by name of what is missing.

Nothing is forgotten by giving up: the slot that keeps the total announces it again when its order arrives, and the
dead letter carries key, revision and total, so that it can be replayed through the ledger.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from operators.confirmations import IDENTITY
from operators.frames import from_bytes, to_bytes
from operators.totals import TOTAL

WAITING: dict[str, pl.DataType] = {
    **TOTAL,
    "adjustment": pl.String(),
    "reason": pl.String(),
    "since": pl.Int64(),
    "given_up": pl.Boolean(),
}
ORDER_UNKNOWN, NO_ACTIVE_JOB, UNIT_UNKNOWN = "order_unknown", "no_active_job", "unit_conversion_unknown"


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
        since = self.rows.group_by(IDENTITY).agg(pl.col("since").min(), pl.col("given_up").any())
        fresh = rows.join(since, on=IDENTITY, how="left").with_columns(
            pl.lit(reason).alias("reason"), pl.col("since").fill_null(watermark), pl.lit(False).alias("given_up")
        )
        fresh = fresh.select(pl.col(name).cast(kind) for name, kind in WAITING.items())
        self._set(pl.concat([self.rows.join(rows, on=IDENTITY, how="anti"), fresh]))

    def settle(self, rows: pl.DataFrame) -> None:
        """Documents of these rows (IDENTITY) wait no longer."""
        if self.rows.height:
            self._set(self.rows.join(rows, on=IDENTITY, how="anti"))

    def take(self, orders: pl.DataFrame) -> pl.DataFrame:
        """Rows of these orders (plant, order_id); they stay until they are settled."""
        return self.rows.join(orders, on=["plant", "order_id"], how="semi")

    def expired(self, watermark: int, frontier: int) -> pl.DataFrame:
        """Rows to give up now, with their reason; what left the correction horizon is dropped after that."""
        if not self.rows.height:
            return self.rows
        due = (pl.col("since") + self._wait <= watermark) & ~pl.col("given_up")
        beyond = pl.col("since").rank("ordinal", descending=True) > self._most
        given = self.rows.filter((due | beyond) & ~pl.col("given_up"))
        kept = self.rows.filter(~beyond).with_columns((pl.col("given_up") | due).alias("given_up"))
        self._set(kept.filter(~(pl.col("given_up") & (pl.col("last_time").to_physical() <= frontier))))
        # A total that went back to nothing (its pieces found their job) is nothing to report.
        return given.filter((pl.col("revises") > 0) & _any_quantity())

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


def _any_quantity() -> pl.Expr:
    measures = [name for name in TOTAL if name.startswith("quantity_") or name.endswith("_time")]
    numeric = [pl.col(name) != 0 for name in measures if TOTAL[name] == TOTAL["quantity_yield"]]
    return pl.any_horizontal(numeric)


def totals_given_up(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """One plain record per document given up: its key, reason, revision and measures summed over its rows."""
    measures = [n for n, k in TOTAL.items() if k == TOTAL["quantity_yield"]]
    grouped = rows.group_by([*IDENTITY, "reason"], maintain_order=True).agg(
        pl.col("revises").sum(),
        pl.col("events").sum(),
        *(pl.col(name).sum() for name in measures),
        pl.col("unit").first(),
        pl.col("posting_date").max(),
        pl.col("window_end").max(),
        pl.col("first_time").min(),
        pl.col("last_time").max(),
        pl.struct("kind", "scrap_reason", "origin", "first_offset", "last_offset", *measures, "unit").alias("rows"),
    )
    return grouped.to_dicts()
