"""Completions that are kept back until the state that produced them is durable.

They depend on all windows of an operation, and a document announced from state that a crash rolls back might never be
taken back.
"""

from __future__ import annotations

import polars as pl

from operators.confirmations import CONFIRMATION
from operators.frames import from_bytes, to_bytes
from operators.references import ORDER_ID


class HeldCompletions:
    """Rows of CONFIRMATION in the order in which they came; the first of them are durable."""

    def __init__(self) -> None:
        self._rows = pl.DataFrame(schema=CONFIRMATION)
        self._durable = 0

    def add(self, documents: pl.DataFrame) -> None:
        """Keep documents until `made_durable` and `release`."""
        self._rows = pl.concat([self._rows, documents])

    def drop(self, orders: pl.DataFrame) -> None:
        """Forget those of some orders (plant, order_id): they are cancelled meanwhile."""
        if not self._rows.height:
            return
        named = pl.struct(ORDER_ID).is_in(orders.select(pl.struct(ORDER_ID)).to_series().implode())
        kept = self._rows.select(~named).to_series()
        self._durable = int(kept[: self._durable].sum())
        self._rows = self._rows.filter(kept)

    def made_durable(self) -> None:
        """A snapshot holds all that is kept."""
        self._durable = self._rows.height

    def release(self) -> list[pl.DataFrame]:
        """Hand out what is durable."""
        if not self._durable:
            return []
        released, self._rows, self._durable = self._rows[: self._durable], self._rows[self._durable :], 0
        return [released]

    def snapshot(self) -> bytes:
        """Arrow IPC bytes."""
        return to_bytes(self._rows)

    def restore(self, state: bytes) -> None:
        """Go on from a snapshot; what it holds is durable. Before version 2 nothing was withdrawn."""
        self._rows = from_bytes(state, CONFIRMATION).with_columns(pl.col("withdrawn").fill_null(value=False))
        self.made_durable()


__all__ = ["HeldCompletions"]
