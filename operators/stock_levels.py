"""Stock of one shard, kept up to date: the same as `operators.stock.stock` of all that came, at the cost of what came.

What was consumed is added to the level of its key. A balance, or a movement with revisions (a receipt, a document), has
its keys worked out anew from the balances and movements that are kept.
"""

from __future__ import annotations

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
from operators.stock_kept import Files, KeptRows
from operators.stock_moved import MOVED, expanded, sums
from operators.stock_movements import RECEIPT

_KEY = list(STOCK_KEY)
_MOVEMENT_ID = ["plant", "material", "movement_id"]
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
        files: Keeps large chunks of movements; None where the state holds everything.
    """

    keep: timedelta
    files: Files | None = None
    balances: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BALANCE))
    levels: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STOCK))
    _moved: KeptRows = field(init=False)
    _revised: KeptRows = field(init=False)
    _pruned_at: int = 0
    _saved: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is kept yet."""
        self._moved, self._revised = KeptRows(MOVED, self.files), KeptRows(MOVEMENT, self.files)

    def apply(self, counted: pl.DataFrame, moved: SavedRows, revised: SavedRows, instant: datetime) -> pl.DataFrame:
        """Take what came, each row once.

        Args:
            counted: Rows of BALANCE.
            moved: Rows of MOVED.
            revised: Rows of MOVEMENT, which may be revised.
            instant: Now, event time.

        Returns:
            STOCK_KEY of what changed.
        """
        if revised.rows.height:
            names = revised.rows.select(_MOVEMENT_ID).unique()
            left = voided(pl.concat([self._revised.of(names, _MOVEMENT_ID), revised.rows]))
            revised = SavedRows.together([revised, SavedRows(left)])
        dirty = pl.concat([counted.select(_KEY), revised.rows.select(_KEY)]).unique()
        if counted.height:
            self.balances = merge_balances([self.balances, counted])
            self._saved.pop("balances", None)
        self._moved.add(moved)
        self._revised.add(revised)
        if dirty.height:
            self._put(levels(self._of(self.balances, dirty), self.movements(dirty)))
        rest = moved.rows.join(dirty, on=_KEY, how="anti") if dirty.height else moved.rows
        touched = self._add(rest) if rest.height else rest.select(_KEY)
        self._tidy(instant)
        return pl.concat([dirty, touched])

    def _add(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Movements after the newest balance of their key, added up to its level; returns their keys."""
        moved = sums(self._counting(rows))
        known = self.levels.join(moved, on=_KEY, how="left", maintain_order="left")
        total = [fitting(pl.col(each) + pl.col(f"{each}_right").fill_null(0)).alias(each) for each in REPORTED]
        self.levels = known.select(*_KEY, "as_of", pl.max_horizontal("unit", "unit_right").alias("unit"), *total)
        self._saved.pop("levels", None)
        if known["unit_right"].count() < moved.height:  # a place of which nothing was known
            new = moved.join(self.levels, on=_KEY, how="anti")
            new = new.with_columns(pl.lit(None).alias("as_of"), *map(fitting, map(pl.col, REPORTED)))
            self._put(new.select(pl.col(each).cast(kind) for each, kind in STOCK.items()))
        return moved.select(_KEY)

    def _counting(self, moved: pl.DataFrame) -> pl.DataFrame:
        """The movements, with a quantity of nothing where the newest balance of their key has them."""
        newest = self.balances["as_of"].max()
        if newest is None or not moved.select((pl.col("time") <= pl.lit(newest)).any()).item():
            return moved
        rows = moved.join(self.levels.select(*_KEY, "as_of"), on=_KEY, how="left")
        counts = pl.col("as_of").is_null() | (pl.col("time") > pl.col("as_of"))
        return rows.with_columns(pl.when(counts).then("quantity").otherwise(0).cast(QUANTITY).alias("quantity"))

    def _put(self, rows: pl.DataFrame) -> None:
        self.levels = pl.concat([self.levels.join(rows, on=_KEY, how="anti"), rows])
        self._saved.pop("levels", None)

    def movements(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Rows of MOVEMENT of keys (STOCK_KEY) that are kept."""
        return pl.concat([expanded(self._moved.of(keys)), self._revised.of(keys)])

    def known(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Balances of keys that are kept."""
        return self._of(self.balances, keys)

    def stock(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Rows of STOCK of keys."""
        return shown(self._of(self.levels, keys))

    @staticmethod
    def _of(rows: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
        return rows.join(keys, on=_KEY, how="semi")

    def _tidy(self, instant: datetime) -> None:
        if self._moved.rows + self._revised.rows > 2 * self._pruned_at + _LEAST_PRUNED:
            self.prune(instant)
        for kept in (self._moved, self._revised):
            kept.tidy()

    def prune(self, instant: datetime) -> None:
        """Let go of what no balance will be compared with any more.

        What moved where nobody ever counted leaves after `_NEVER_COUNTED`: a first balance will be newer than that.
        """
        limit, newest = instant - _NEVER_COUNTED, cast("datetime | None", self.balances["as_of"].max())
        if newest is not None:  # of the balances of one key the newest one stays in any case
            limit = max(limit, newest - self.keep)
        counted = self.balances.select(_KEY).unique()
        for kept in (self._moved, self._revised):
            kept.prune(limit, lambda rows: self._recent(rows, counted, instant))
        self._pruned_at = self._moved.rows + self._revised.rows
        if self.balances.select((pl.col("as_of") < pl.lit(limit)).any()).item():
            self.balances, _ = retain(self.balances, pl.DataFrame(schema=MOVEMENT), self.keep)
            self._saved.pop("balances", None)

    def _recent(self, rows: pl.DataFrame, counted: pl.DataFrame, instant: datetime) -> pl.DataFrame:
        """What stays of a chunk."""
        _, kept = retain(self.balances, rows, self.keep)
        recent = kept.filter(pl.col("time") > instant - _NEVER_COUNTED)
        correctable = pl.col("movement_id").str.starts_with(RECEIPT) & (pl.col("time") > instant - _CORRECTED)
        received = rows.filter(correctable)
        kept = pl.concat([kept.join(counted, on=_KEY, how="semi"), recent.join(counted, on=_KEY, how="anti"), received])
        if "revision" not in rows.columns:
            return kept  # no receipts are among them
        return kept.unique([*_KEY, "movement_id", "status", "revision"], maintain_order=True)

    def snapshot(self) -> dict[str, Any]:
        """Arrow IPC bytes and names of files; what has not changed is not serialised again."""
        for name, rows in (("balances", self.balances), ("levels", self.levels)):
            if name not in self._saved:
                self._saved[name] = to_bytes(rows)
        kept = {"moved": self._moved.snapshot(), "movements": self._revised.snapshot()}
        return {**self._saved, **kept, "pruned_at": self._pruned_at}

    def made_durable(self) -> None:
        """The last snapshot stands."""
        self._moved.made_durable()
        self._revised.made_durable()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._saved = {name: state[name] for name in ("balances", "levels")}
        self.balances, self.levels = from_bytes(state["balances"], BALANCE), from_bytes(state["levels"], STOCK)
        self._moved.restore(state.get("moved", ()))  # states of release 1 hold all by status
        self._revised.restore(state["movements"])
        self._pruned_at = state["pruned_at"]


__all__ = ["StockLevels"]
