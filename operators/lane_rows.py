"""Decoded rows on their way through a lane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Rows:
    """Rows on their way through a lane; what is per row is filtered together."""

    contract: str
    topic: str
    frame: pl.DataFrame
    partitions: Ints
    logged: Longs
    late: Bools | None = None

    def only(self, kept: Bools) -> Rows:
        """The rows of a mask."""
        late = self.late[kept] if self.late is not None else None
        frame = self.frame.filter(kept)
        return Rows(self.contract, self.topic, frame, self.partitions[kept], self.logged[kept], late)
