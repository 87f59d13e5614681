"""Cumulative totals of movements in one state slot: what is counted per window until the window leaves the state.

As for confirmations, windows only decide when a total is announced: rows that come after the close raise it and
announce its next revision. Rows are few (bookings at the line, not machine cycles), so a window is one merged frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from operators.consumption import CONSUMPTION, MOVEMENT_KEY, merge
from operators.frames import from_bytes, to_bytes

STATE_VERSION = 1
_WINDOW = ["plant", "window_start"]
_TOUCHED = {name: CONSUMPTION[name] for name in MOVEMENT_KEY}


@dataclass(slots=True)
class _Window:
    """One window of a plant: its rows, and which of its documents changed since they were announced."""

    end: int
    closed: bool = False
    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONSUMPTION))
    touched: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_TOUCHED))
    saved: dict[str, Any] | None = None

    def add(self, rows: pl.DataFrame) -> None:
        self.rows, self.saved = merge([self.rows, rows]), None
        if self.closed:
            self.touched = pl.concat([self.touched, rows.select(list(_TOUCHED))]).unique()

    def take(self, documents: pl.DataFrame) -> pl.DataFrame:
        """All rows of these documents, which are announced with that."""
        self.touched, self.saved = self.touched.clear(), None
        return self.rows.join(documents, on=list(MOVEMENT_KEY), how="semi", nulls_equal=True)

    def save(self) -> dict[str, Any]:
        """Plain values; what did not change since is not serialised again."""
        if self.saved is None:
            frames = {"rows": to_bytes(self.rows), "touched": to_bytes(self.touched)}
            self.saved = {"end": self.end, "closed": self.closed, **frames}
        return self.saved

    @classmethod
    def load(cls, saved: dict[str, Any]) -> _Window:
        rows, touched = from_bytes(saved["rows"], CONSUMPTION), from_bytes(saved["touched"], _TOUCHED)
        return cls(saved["end"], saved["closed"], rows, touched, saved)


class MovementTotals:
    """Totals of the windows that share a state slot."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, int], _Window] = {}
        self._watermark = -(2**62)

    @property
    def dirty(self) -> bool:
        """Whether closed windows changed since they were announced."""
        return any(window.touched.height for window in self._windows.values())

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows of CONSUMPTION."""
        for part in rows.partition_by(_WINDOW):
            self._window(part).add(part)

    def _window(self, part: pl.DataFrame) -> _Window:
        key = (str(part["plant"][0]), int(part["window_start"].to_physical()[0]))
        end = int(part["window_end"].to_physical().to_numpy().max())
        if key not in self._windows:
            # The tick that would close a window comes once: what begins after it is announced as a revision.
            self._windows[key] = _Window(end, closed=end <= self._watermark)
        self._windows[key].end = max(self._windows[key].end, end)
        return self._windows[key]

    def tick(self, watermark: int, frontier: int) -> pl.DataFrame | None:
        """Rows that are due at a watermark; windows that end at or before `frontier` leave. Microseconds."""
        self._watermark = max(self._watermark, watermark)
        closing = [each for each in self._windows.values() if not each.closed and each.end <= watermark]
        due = [*(self._close(each) for each in closing), self.revise()]
        for key in [key for key, each in self._windows.items() if each.closed and each.end <= frontier]:
            del self._windows[key]
        return _joined(due)

    def revise(self) -> pl.DataFrame | None:
        """Complete rows of the documents that changed after they were announced."""
        return _joined([each.take(each.touched) for each in self._windows.values() if each.touched.height])

    def touch(self, concerned: pl.DataFrame) -> pl.DataFrame | None:
        """What is announced already of materials whose unit conversion changed, or of orders, once more.

        Args:
            concerned: plant, and material or order_id.
        """
        return _joined(
            each.rows.join(concerned, on=concerned.columns, how="semi")
            for each in self._windows.values()
            if each.closed
        )

    def flush(self) -> pl.DataFrame | None:
        """Everything, at the end of a finite input."""
        return _joined([*(self._close(each) for each in self._windows.values() if not each.closed), self.revise()])

    @staticmethod
    def _close(window: _Window) -> pl.DataFrame:
        window.closed = True
        return window.take(window.rows)

    def snapshot(self) -> dict[str, Any]:
        """Versioned plain values."""
        windows = {key: window.save() for key, window in self._windows.items()}
        return {"version": STATE_VERSION, "watermark": self._watermark, "windows": windows}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._watermark = state["watermark"]
        self._windows = {key: _Window.load(saved) for key, saved in state["windows"].items()}


def _joined(frames: Any) -> pl.DataFrame | None:
    found: Sequence[pl.DataFrame] = [frame for frame in frames if frame is not None and frame.height]
    return pl.concat(found) if found else None
