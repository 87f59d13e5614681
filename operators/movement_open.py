"""Movements that can't be made yet, or not by a machine: open items that wait, are told of, and heal.

An item names its document, what it lacks and how much it is about. Whatever is made of its source anew replaces it. One
that waits for too long is given up by a dead letter, and stays until its window would leave the state, so that what it
waits for still finds it.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from operators.consumption import identity_key
from operators.frames import from_bytes, to_bytes
from operators.partials import QUANTITY
from operators.screen import NO_PROGRESS

ORDER_UNKNOWN, UNIT_UNKNOWN = "order_unknown", "unit_conversion_unknown"
BILL_WRONG, SERIALISED = "bill_of_material", "serialised_material"
BOOKED_ELSEWHERE = "booked_elsewhere"
#: Nothing that may still come would change it: it is told of at once.
_AT_ONCE = (BILL_WRONG, SERIALISED, BOOKED_ELSEWHERE)
#: `source` is what the item was made of: the confirmation of a component, else the document itself. `revision` orders
#: what is told of it, `events` is what it stands for; an older release's state has only the former.
OPEN: dict[str, pl.DataType] = {
    **dict.fromkeys(("document_key", "source", "reason", "plant", "order_id", "operation", "movement"), pl.String()),
    **dict.fromkeys(("material", "batch", "storage_location", "unit"), pl.String()),
    "quantity": QUANTITY,
    "revision": pl.Int64(),
    "newest": pl.Int64(),
    "events": pl.Int64(),
}
_KEPT: dict[str, pl.DataType] = {**OPEN, "since": pl.Int64(), "told": pl.Int64()}
_KEY = ["document_key", "reason"]


class OpenMovements:
    """Open items of a shard.

    Args:
        wait: Microseconds of event time that an item waits before it is given up.
        most: Items kept; the oldest beyond that are given up at once.
    """

    def __init__(self, wait: int, most: int) -> None:
        self._wait, self._most = wait, most
        self.items = pl.DataFrame(schema=_KEPT)
        self._saved: bytes | None = None

    def replace(self, sources: pl.Series, items: pl.DataFrame, watermark: int) -> None:
        """What is made of these sources now: their items, rows of OPEN. One that was there before waits since then."""
        if not items.height and not self.items.height:
            return
        former = self.items.select(*_KEY, "since", "told")
        # Before time has passed at all, an item waits from its own last event on.
        start = pl.lit(watermark) if watermark > NO_PROGRESS else pl.col("newest")
        fresh = items.join(former, on=_KEY, how="left").with_columns(
            pl.coalesce("since", start).alias("since"), pl.col("told").fill_null(-1)
        )
        kept = self.items.filter(~pl.col("source").is_in(sources.implode()))
        self._set(pl.concat([kept, fresh.select(pl.col(name).cast(kind) for name, kind in _KEPT.items())]))

    def waiting_for(self, reason: str) -> pl.Series:
        """Sources of the items that lack something."""
        return self.items.filter(pl.col("reason") == reason)["source"].unique()

    def give_up(self, watermark: int, frontier: int) -> list[dict[str, Any]]:
        """Items to tell of now, once per revision; what left the correction horizon is dropped after that."""
        if not self.items.height:
            return []
        crowded = pl.col("since").rank("ordinal", descending=True) > self._most
        overdue = pl.col("since") + self._wait <= watermark
        due = (pl.col("reason").is_in(_AT_ONCE) | overdue | crowded) & (pl.col("told") < pl.col("revision"))
        marked = self.items.with_columns(due.alias("due"), crowded.alias("crowded"))
        telling = marked.filter("due").select(list(OPEN)).sort("document_key").to_dicts()
        gone = pl.col("crowded") | ((pl.col("newest") <= frontier) & (overdue | (pl.col("told") >= 0)))
        if telling or marked.filter(gone).height:
            told = pl.when("due").then("revision").otherwise("told").alias("told")
            self._set(marked.with_columns(told).filter(~gone).select(list(_KEPT)))
        return telling

    def _set(self, items: pl.DataFrame) -> None:
        self.items, self._saved = items, None

    def snapshot(self) -> bytes:
        """Arrow IPC bytes."""
        if self._saved is None:
            self._saved = to_bytes(self.items)
        return self._saved

    def restore(self, state: bytes) -> None:
        """Go on from a snapshot."""
        self._set(from_bytes(state, _KEPT))


def stuck_items(rows: pl.DataFrame, stuck: pl.DataFrame) -> pl.DataFrame:
    """Open items (OPEN) of what cannot be converted, one per document: two of its units may both be unknown.

    What can be is booked meanwhile, under the number of its events as revision. The item's counts all events of the
    document, so only a document that has them all says that it is mended.

    Args:
        rows: All rows of the documents, with `document_key`.
        stuck: Those that cannot be converted, by unit, with the columns of IDENTITY.
    """
    items = identity_key(stuck).with_columns(
        pl.col("document_key").alias("source"),
        pl.lit(UNIT_UNKNOWN).alias("reason"),
        pl.col("last_time").to_physical().alias("newest"),
    )
    items = items.group_by("document_key").agg(
        pl.col("quantity", "events").sum(),
        pl.col("newest").max(),
        pl.exclude("quantity", "events", "newest").first(),
    )
    whole = rows.group_by("document_key").agg(pl.col("events").sum().alias("revision"))
    items = items.join(whole, on="document_key", how="left")
    return items.select(pl.col(name).cast(kind) for name, kind in OPEN.items())
