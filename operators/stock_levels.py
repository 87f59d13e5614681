"""Stock of one shard, kept up to date: the same as `operators.stock.stock` of all that came, at the cost of what came.

What was consumed is added to the level of its key. A balance, or a movement with revisions (a receipt, a document), has
its keys worked out anew from the balances and movements that are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from operators.frames import from_bytes, to_bytes
from operators.partials import QUANTITY
from operators.stock import (
    BALANCE,
    MOVEMENT,
    REPORTED,
    STOCK,
    STOCK_KEY,
    fitting,
    levels,
    merge_balances,
    merge_movements,
    retain,
    shown,
    voided,
)

_KEY = list(STOCK_KEY)
_MOVEMENT_ID = ["plant", "material", "movement_id"]
#: Frames of movements are joined when there are more, so that what an epoch adds is serialised alone.
_MOST_CHUNKS = 24
_NEVER_COUNTED = timedelta(days=30)
#: Movements that may come before what is old is looked for.
_LEAST_PRUNED = 20_000


@dataclass(slots=True)
class _Chunk:
    rows: pl.DataFrame
    saved: bytes | None = None

    def bytes(self) -> bytes:
        if self.saved is None:
            self.saved = to_bytes(self.rows)
        return self.saved


@dataclass(slots=True)
class StockLevels:
    """Balances, movements and levels of one shard.

    Args:
        keep: Movements and balances this long before the newest balance of their key are kept.
    """

    keep: timedelta
    balances: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BALANCE))
    _levels: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STOCK))
    _chunks: list[_Chunk] = field(default_factory=list)
    _pruned_at: int = 0
    _saved: dict[str, bytes] = field(default_factory=dict)

    def apply(
        self, counted: pl.DataFrame, plain: pl.DataFrame, revised: pl.DataFrame, instant: datetime
    ) -> pl.DataFrame:
        """Take what came, each row once.

        Args:
            counted: Rows of BALANCE.
            plain: Rows of MOVEMENT that are never revised.
            revised: Rows of MOVEMENT that may be.
            instant: Now, event time.

        Returns:
            STOCK_KEY of what changed.
        """
        if revised.height:
            revised = pl.concat([revised, self._voided(revised)])
        dirty = pl.concat([counted.select(_KEY), revised.select(_KEY)]).unique()
        if counted.height:
            self.balances = merge_balances([self.balances, counted])
            self._saved.pop("balances", None)
        self._chunks += [_Chunk(rows) for rows in (plain, revised) if rows.height]
        if dirty.height:
            self._put(levels(self._of(self.balances, dirty), merge_movements([self.movements(dirty)])))
        rest = plain.join(dirty, on=_KEY, how="anti") if dirty.height else plain
        moved = self._add(rest) if rest.height else rest.select(_KEY)
        self._tidy(instant)
        return pl.concat([dirty, moved])

    def _voided(self, revised: pl.DataFrame) -> pl.DataFrame:
        """Nothing, where another revision of these movements is in another storage location or status."""
        names = revised.select(_MOVEMENT_ID).unique()
        known = [chunk.rows.join(names, on=_MOVEMENT_ID, how="semi") for chunk in self._chunks]
        return voided(pl.concat([*known, revised]))

    def _add(self, plain: pl.DataFrame) -> pl.DataFrame:
        """Movements after the newest balance of their key, added up to its level; returns their keys."""
        rows = plain.join(self._levels.select(*_KEY, "as_of"), on=_KEY, how="left")
        counts = pl.col("as_of").is_null() | (pl.col("time") > pl.col("as_of"))
        sums = [
            pl.when(counts & (pl.col("status") == status)).then("quantity").otherwise(0).cast(QUANTITY).alias(status)
            for status in REPORTED
        ]
        moved = rows.select(*_KEY, "unit", *sums).group_by(_KEY).agg(pl.col("unit").max(), pl.col(REPORTED).sum())
        known = self._levels.join(moved, on=_KEY, how="left", maintain_order="left")
        total = [fitting(pl.col(each) + pl.col(f"{each}_right").fill_null(0)).alias(each) for each in REPORTED]
        self._levels = known.select(*_KEY, "as_of", pl.max_horizontal("unit", "unit_right").alias("unit"), *total)
        self._saved.pop("levels", None)
        new = moved.join(self._levels, on=_KEY, how="anti").with_columns(
            pl.lit(None).alias("as_of"), *map(fitting, map(pl.col, REPORTED))
        )
        if new.height:
            self._put(new.select(pl.col(each).cast(kind) for each, kind in STOCK.items()))
        return moved.select(_KEY)

    def _put(self, rows: pl.DataFrame) -> None:
        self._levels = pl.concat([self._levels.join(rows, on=_KEY, how="anti"), rows])
        self._saved.pop("levels", None)

    def movements(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Movements of keys (STOCK_KEY) that are kept."""
        found = [self._of(chunk.rows, keys) for chunk in self._chunks]
        return pl.concat([pl.DataFrame(schema=MOVEMENT), *found])

    def known(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Balances of keys that are kept."""
        return self._of(self.balances, keys)

    def stock(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Rows of STOCK of keys."""
        return shown(self._of(self._levels, keys))

    @staticmethod
    def _of(rows: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
        return rows.join(keys, on=_KEY, how="semi")

    def _tidy(self, instant: datetime) -> None:
        rows = sum(chunk.rows.height for chunk in self._chunks)
        if rows > 2 * self._pruned_at + _LEAST_PRUNED:
            self.prune(instant)
        elif len(self._chunks) > _MOST_CHUNKS:
            self._merge_small()

    def _merge_small(self) -> None:
        """The smaller half becomes one: a row is serialised again only a few times while it is kept."""
        self._chunks.sort(key=lambda chunk: -chunk.rows.height)
        half = _MOST_CHUNKS // 2
        self._chunks[half:] = [_Chunk(pl.concat([chunk.rows for chunk in self._chunks[half:]]))]

    def prune(self, instant: datetime) -> None:
        """Let go of what no balance will be compared with any more.

        What moved where nobody ever counted leaves after `_NEVER_COUNTED`: a first balance will be newer than that.
        """
        every = pl.concat([pl.DataFrame(schema=MOVEMENT), *(chunk.rows for chunk in self._chunks)])
        self.balances, kept = retain(self.balances, every, self.keep)
        counted = self.balances.select(_KEY).unique()
        recent = kept.filter(pl.col("time") > instant - _NEVER_COUNTED)
        kept = pl.concat([kept.join(counted, on=_KEY, how="semi"), recent.join(counted, on=_KEY, how="anti")])
        self._chunks, self._pruned_at = ([_Chunk(kept)] if kept.height else []), kept.height
        self._saved.pop("balances", None)

    def snapshot(self) -> dict[str, Any]:
        """Arrow IPC bytes; what has not changed is not serialised again."""
        for name, rows in (("balances", self.balances), ("levels", self._levels)):
            if name not in self._saved:
                self._saved[name] = to_bytes(rows)
        return {**self._saved, "movements": [chunk.bytes() for chunk in self._chunks], "pruned_at": self._pruned_at}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._saved = {name: state[name] for name in ("balances", "levels")}
        self.balances, self._levels = from_bytes(state["balances"], BALANCE), from_bytes(state["levels"], STOCK)
        parts: Sequence[bytes] = state["movements"]
        self._chunks = [_Chunk(from_bytes(data, MOVEMENT), data) for data in parts]
        self._pruned_at = state["pruned_at"]


__all__ = ["StockLevels"]
