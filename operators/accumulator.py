"""Running totals by key, in arrays: adding a row costs a look-up and a few additions, whatever is there already.

The same law as `partials.merge`: any order or grouping of what is added ends in the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.frames import Packed, from_bytes, packed, to_bytes, unpacked
from operators.micro_units import quantities
from operators.partials import MAXIMA, MINIMA, QUANTITY, ROW_KEY, SUMS
from operators.row_index import RowIndex

Longs = npt.NDArray[np.int64]

#: A row of a total. `revises` adds up to the document's revision: events of plain rows, and for what a timeline
#: contributed the timeline's own revision, once per document and part.
TOTAL: dict[str, pl.DataType] = {**ROW_KEY, **SUMS, **MAXIMA, **MINIMA, "revises": pl.Int64()}
_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
#: What a measure starts from; an extreme that is still there at the end is null.
_START: dict[str, int] = {
    **dict.fromkeys(SUMS, 0),
    **dict.fromkeys(MAXIMA, _LOWEST),
    **dict.fromkeys(MINIMA, _HIGHEST),
}
#: Rows that are piled up before they are added: small frames cost more than their rows.
_PILE = 20_000
#: Pieces in which keys are kept; more are joined, so that a snapshot stays a few.
_MOST_PIECES = 8


#: All rows of a window of a plant share the rest of their key.
_TELLS_APART = [name for name in ROW_KEY if name not in ("plant", "window_start")]
_READ = [pl.col(name).to_physical().cast(pl.Int64).fill_null(start) for name, start in _START.items()]


class Accumulator:
    """Rows of PARTIAL of one window of a plant, one per ROW_KEY."""

    def __init__(self) -> None:
        self._index = RowIndex(_TELLS_APART)
        self._keys: list[pl.DataFrame] = []
        self._saved_keys: list[bytes] = []
        self._measures: dict[str, Longs] = {}
        self._pile: list[pl.DataFrame] = []
        self._piled = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows of PARTIAL."""
        self._pile.append(rows)
        self._piled += rows.height
        if self._piled > _PILE:
            self._add_up()

    def _add_up(self) -> None:
        if self._pile:
            rows = pl.concat(self._pile)
            self._pile, self._piled = [], 0
            self._sum(rows)

    def _sum(self, rows: pl.DataFrame) -> None:
        numbers, brought = self._index.number(rows)
        if len(brought):
            self._keep_keys(rows.select(list(ROW_KEY))[brought])
        for column in rows.select_seq(_READ):
            name, values = column.name, column.to_numpy()
            if name not in SUMS or name in self._measures or values.any():
                self._merge(name, numbers, values)

    def _keep_keys(self, keys: pl.DataFrame) -> None:
        self._keys.append(keys)
        if len(self._keys) > _MOST_PIECES:
            self._keys, self._saved_keys = [pl.concat(self._keys, rechunk=True)], []

    def _merge(self, name: str, numbers: Longs, values: Longs) -> None:
        held = self._room(name)
        if name in MAXIMA:
            np.maximum.at(held, numbers, values)
        elif name in MINIMA:
            np.minimum.at(held, numbers, values)
        else:
            np.add.at(held, numbers, values)

    def _room(self, name: str) -> Longs:
        """The measure's array, long enough; one that never differed from its start has none."""
        held = self._measures.get(name, np.zeros(0, np.int64))
        if len(held) < self._index.count:
            longer = np.full(max(2 * len(held), self._index.count), _START[name], np.int64)
            longer[: len(held)] = held
            self._measures[name] = held = longer
        return held

    def rows(self) -> pl.DataFrame:
        """One per key, with the columns of TOTAL."""
        self._add_up()
        if not self._index.count:
            return pl.DataFrame(schema=TOTAL)
        measures = [_column(name, self._measures.get(name), self._index.count) for name in _START]
        rows = pl.concat(self._keys, rechunk=True).with_columns(measures)
        return rows.with_columns(pl.col("events").alias("revises")).select(list(TOTAL))

    def save(self) -> dict[str, Any]:
        """Plain values; keys are serialised once, when they come."""
        self._add_up()
        for place in range(len(self._saved_keys), len(self._keys)):
            self._saved_keys.append(to_bytes(self._keys[place]))
            # What was read back no longer holds the memory of the batch that it came from.
            self._keys[place] = from_bytes(self._saved_keys[place], ROW_KEY)
        measures = {name: packed(held[: self._index.count].tobytes()) for name, held in self._measures.items()}
        return {"keys": list(self._saved_keys), "measures": measures}

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Accumulator:
        """As it was saved."""
        found = cls()
        found._saved_keys = list(saved["keys"])
        found._keys = [from_bytes(piece, ROW_KEY) for piece in found._saved_keys]
        for keys in found._keys:
            found._index.restore(keys)
        found._measures = {name: _longs(held) for name, held in saved["measures"].items()}
        return found

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Accumulator:
        """Of rows of PARTIAL."""
        made = cls()
        if rows.height:
            made.add(rows)
        return made


def _longs(held: Packed) -> Longs:
    return np.frombuffer(unpacked(held), np.int64).copy()


def _column(name: str, held: Longs | None, height: int) -> pl.Series:
    start, kind = _START[name], TOTAL[name]
    values = np.full(height, start, np.int64) if held is None else held[:height]
    if kind == QUANTITY:
        return quantities(name, values)
    column = pl.Series(name, values.copy())  # a series shares an array's memory, which the next rows change
    if name not in SUMS:
        column = column.set(column == start, None)
    if isinstance(kind, pl.Boolean):
        return column != 0
    return column.cast(pl.Int32 if isinstance(kind, pl.Date) else pl.Int64).cast(kind)
