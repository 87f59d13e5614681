"""Stock of one shard, kept up to date: the same as `operators.stock.stock` of all that came, at the cost of what came.

What was consumed is added to the level of its key. A balance, or a movement with revisions (a receipt, a document), has
its keys worked out anew from the balances and movements that are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import polars as pl

from operators.frames import from_bytes, to_bytes
from operators.partials import QUANTITY
from operators.saved_rows import SavedRows
from operators.stock import (
    BALANCE,
    MOVEMENT,
    REPORTED,
    STOCK,
    STOCK_KEY,
    fitting,
    levels,
    merge_balances,
    retain,
    shown,
    voided,
)
from operators.stock_movements import RECEIPT

_KEY = list(STOCK_KEY)
_MOVEMENT_ID = ["plant", "material", "movement_id"]
#: Frames of movements are joined when there are more, so that what an epoch adds is serialised alone.
_MOST_CHUNKS = 24
_NEVER_COUNTED = timedelta(days=30)
#: A receipt may be corrected or cancelled days later: what is new in its total is told by what it was.
_CORRECTED = timedelta(days=30)
#: Movements that may come before what is old is looked for.
_LEAST_PRUNED = 20_000


@dataclass(slots=True)
class StockLevels:
    """Balances, movements and levels of one shard.

    Args:
        keep: Movements and balances this long before the newest balance of their key are kept.
    """

    keep: timedelta
    balances: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BALANCE))
    _levels: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STOCK))
    _chunks: list[SavedRows] = field(default_factory=list)
    _pruned_at: int = 0
    _saved: dict[str, bytes] = field(default_factory=dict)

    def apply(self, counted: pl.DataFrame, plain: SavedRows, revised: SavedRows, instant: datetime) -> pl.DataFrame:
        """Take what came, each row once.

        Args:
            counted: Rows of BALANCE.
            plain: Rows of MOVEMENT that are never revised.
            revised: Rows of MOVEMENT that may be.
            instant: Now, event time.

        Returns:
            STOCK_KEY of what changed.
        """
        if revised.rows.height:
            revised = SavedRows.together([revised, SavedRows(self._voided(revised.rows))])
        dirty = pl.concat([counted.select(_KEY), revised.rows.select(_KEY)]).unique()
        if counted.height:
            self.balances = merge_balances([self.balances, counted])
            self._saved.pop("balances", None)
        self._chunks += [part for part in (plain, revised) if part.rows.height]
        if dirty.height:
            self._put(levels(self._of(self.balances, dirty), self.movements(dirty)))
        rest = plain.rows.join(dirty, on=_KEY, how="anti") if dirty.height else plain.rows
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
        moved = sums(self._counting(plain))
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

    def _counting(self, plain: pl.DataFrame) -> pl.DataFrame:
        """The movements, with a quantity of nothing where the newest balance of their key has them."""
        newest = self.balances["as_of"].max()
        if newest is None or not plain.select((pl.col("time") <= pl.lit(newest)).any()).item():
            return plain
        rows = plain.join(self._levels.select(*_KEY, "as_of"), on=_KEY, how="left")
        counts = pl.col("as_of").is_null() | (pl.col("time") > pl.col("as_of"))
        return rows.with_columns(pl.when(counts).then("quantity").otherwise(0).cast(QUANTITY).alias("quantity"))

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
        self._chunks[half:] = [SavedRows.together(self._chunks[half:])]

    def prune(self, instant: datetime) -> None:
        """Let go of what no balance will be compared with any more.

        What moved where nobody ever counted leaves after `_NEVER_COUNTED`: a first balance will be newer than that.
        """
        limit, newest = instant - _NEVER_COUNTED, cast("datetime | None", self.balances["as_of"].max())
        if newest is not None:  # of the balances of one key the newest one stays in any case
            limit = max(limit, newest - self.keep)
        counted = self.balances.select(_KEY).unique()
        kept = [self._recent(chunk, counted, limit, instant) for chunk in self._chunks]
        self._chunks = [chunk for chunk in kept if chunk.rows.height]
        self._pruned_at = sum(chunk.rows.height for chunk in self._chunks)
        if self.balances.select((pl.col("as_of") < pl.lit(limit)).any()).item():
            self.balances, _ = retain(self.balances, pl.DataFrame(schema=MOVEMENT), self.keep)
            self._saved.pop("balances", None)

    def _recent(self, chunk: SavedRows, counted: pl.DataFrame, limit: datetime, instant: datetime) -> SavedRows:
        """What stays of a chunk; nothing leaves that is newer than a limit."""
        if not chunk.rows.select((pl.col("time") <= pl.lit(limit)).any()).item():
            return chunk
        _, kept = retain(self.balances, chunk.rows, self.keep)
        recent = kept.filter(pl.col("time") > instant - _NEVER_COUNTED)
        correctable = pl.col("movement_id").str.starts_with(RECEIPT) & (pl.col("time") > instant - _CORRECTED)
        received = chunk.rows.filter(correctable)
        kept = pl.concat([kept.join(counted, on=_KEY, how="semi"), recent.join(counted, on=_KEY, how="anti"), received])
        kept = kept.unique([*_KEY, "movement_id", "status", "revision"], maintain_order=True)
        return SavedRows(kept) if kept.height < chunk.rows.height else chunk

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
        self._chunks = [SavedRows(from_bytes(data, MOVEMENT), data) for data in parts]
        self._pruned_at = state["pruned_at"]


def sums(moved: pl.DataFrame) -> pl.DataFrame:
    """Movements added up by key: `unit`, and a column per status."""
    present = moved["status"].unique().to_list()
    # Mostly all is of one plant: it is added afterwards, since each column to group by costs time.
    first = moved["plant"][0]
    keys = _KEY[1:] if (moved["plant"] == first).all() else _KEY
    columns = [
        pl.when(pl.col("status") == status).then("quantity").otherwise(0).cast(QUANTITY).alias(status)
        for status in REPORTED
        if status in present
    ]
    names = [column.meta.output_name() for column in columns]
    found = moved.select(*keys, "unit", *columns).group_by(keys).agg(pl.col("unit").max(), pl.col(names).sum())
    missing = [pl.lit(0).cast(QUANTITY).alias(status) for status in REPORTED if status not in present]
    plant = [] if "plant" in keys else [pl.lit(first).alias("plant")]
    return found.with_columns(*plant, *missing).select(*_KEY, "unit", *REPORTED)


__all__ = ["StockLevels"]
