"""Live view of a running demo: a panel on a terminal, a plain line every two seconds elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

Sample = Mapping[str, float | int | bool | str | None]

BLOCKS = "▁▂▃▄▅▆▇█"
KEPT = 40  # samples behind the small graphs
SMOOTH = 8  # samples that a rate is taken over


class LiveView:
    """Context manager that shows progress samples as they come.

    Keys of a sample, all optional: `t` (seconds since the start), `plant_seconds` (simulated seconds sent),
    `read`, `documents`, `pending`, `booked`, `lag`, `open_windows`, `erp_up`, `kills`, `note`
    (what is going on, in a few words).

    Args:
        plant_seconds: Simulated seconds of the whole run.
        console: Where to show it; the standard output if None.
        every: Seconds between two plain lines.
        clock: Seconds that rise; replaced in tests.
    """

    def __init__(
        self,
        plant_seconds: float,
        console: Console | None = None,
        every: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = max(plant_seconds, 1.0)
        self._console = console or Console()
        self._every, self._clock = every, clock
        self._next_line = clock()
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._down_since: float | None = None
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        elif self._samples:
            self._console.print(self.line(), soft_wrap=True, highlight=False)

    def update(self, sample: Sample) -> None:
        """Show a sample."""
        self._samples.append(sample)
        if sample.get("erp_up", True):
            self._down_since = None
        elif self._down_since is None:
            self._down_since = self._value("t")
        if self._console.is_terminal:
            self._live.update(self.panel())
        elif self._clock() >= self._next_line:
            self._next_line = self._clock() + self._every
            self._console.print(self.line(), soft_wrap=True, highlight=False)

    def line(self) -> str:
        """The newest sample as one line."""
        parts = [
            f"{self._value('t'):6.1f} s",
            f"plant {self._plant_clock()}",
            f"read {self._value('read'):>7,.0f} ({self._rate('read'):,.0f}/s)",
            f"lag {self._value('lag'):,.0f}",
            f"windows {self._value('open_windows'):,.0f}",
            f"pending {self._value('pending'):,.0f}",
            f"booked {self._value('booked'):,.0f}",
            self._erp().plain,
        ]
        if self._value("kills"):
            parts.append(f"kills {self._value('kills'):.0f}")
        if self._newest().get("note"):
            parts.append(str(self._newest()["note"]))
        return "  ".join(parts)

    def panel(self) -> RenderableType:
        """The newest sample as a panel, with small graphs of the last ones."""
        grid = Table.grid(padding=(0, 2))
        for justify in ("left", "right", "right", "left"):
            grid.add_column(justify=justify, no_wrap=True)
        for label, key, moving in (
            ("records read", "read", True),
            ("lag", "lag", False),
            ("open windows", "open_windows", False),
            ("documents", "documents", True),
            ("pending postings", "pending", False),
            ("booked in the ERP", "booked", True),
        ):
            rate = f"{self._rate(key):,.0f}/s" if moving else ""
            graph = sparkline(self._steps(key) if moving else self._values(key))
            grid.add_row(label, f"{self._value(key):,.0f}", rate, Text(graph, "cyan"))
        kills = Text(f"{self._value('kills'):.0f}", "red bold" if self._value("kills") else "dim")
        state = Text.assemble(self._erp(), "    kills ", kills, "    ", str(self._newest().get("note") or ""))
        bar = Table.grid(padding=(0, 2), expand=True)
        bar.add_row(
            f"plant {self._plant_clock()}",
            ProgressBar(total=self._total, completed=self._value("plant_seconds")),
            f"{self._value('t'):.0f} s",
        )
        return Panel(Group(bar, grid, state), title="millrace demo", title_align="left", border_style="blue")

    def _newest(self) -> Sample:
        return self._samples[-1] if self._samples else {}

    def _value(self, key: str) -> float:
        return _number(self._newest(), key)

    def _values(self, key: str) -> list[float]:
        return [_number(sample, key) for sample in self._samples]

    def _steps(self, key: str) -> list[float]:
        values = self._values(key)
        return [max(after - before, 0) for before, after in pairwise(values)]

    def _rate(self, key: str) -> float:
        """Increase per second over the last few samples."""
        recent = list(self._samples)[-SMOOTH:]
        if len(recent) < 2:
            return 0.0
        seconds = _number(recent[-1], "t") - _number(recent[0], "t")
        gained = _number(recent[-1], key) - _number(recent[0], key)
        return max(gained, 0.0) / seconds if seconds > 0 else 0.0

    def _plant_clock(self) -> str:
        minutes = int(self._value("plant_seconds") // 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d} of {self._total / 3600:.0f} h"

    def _erp(self) -> Text:
        if self._down_since is None:
            return Text("ERP up", "green")
        return Text(f"ERP DOWN for {self._value('t') - self._down_since:.1f} s", "red bold")


def sparkline(values: list[float]) -> str:
    """Values as a row of blocks, scaled to the largest; nothing for no values."""
    top = max([*values, 0.0])
    if top <= 0:
        return BLOCKS[0] * len(values)
    return "".join(BLOCKS[round(max(value, 0.0) / top * (len(BLOCKS) - 1))] for value in values)


def _number(sample: Sample, key: str) -> float:
    value = sample.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
