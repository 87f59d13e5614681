"""A working folder of `bench.history`: what is measured over which rows, and what was measured so far.

Each stage leaves `<stage>.json` when it has ended, so a run that was interrupted goes on with the stage that it was in,
and days that a stage had behind it (`<stage>.days.jsonl`) are not done again.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from bench.history_rows import START, TOPIC
from bench.process import Result, cpu_seconds
from sinks.history.zones import DAYS

console = Console(stderr=True, highlight=False)
#: A stage that consumes what the one before it left begins again at `write`.
_ANEW = ("write", "ask_uncompacted", "compact")


@dataclass(frozen=True, slots=True)
class Work:
    """One benchmark.

    Args:
        folder: Where rows, tables and results of stages are.
        rows: Rows of all days together.
        days: Days.
        files: Raw files a day.
        repeat: Runs of each question; the fastest counts.
        broker_records: Records of the topic that the flow is measured on.
    """

    folder: Path
    rows: int
    days: int
    files: int
    repeat: int
    broker_records: int

    @classmethod
    def opened(cls, folder: Path) -> Self:
        """The work that a folder was made for."""
        return cls(folder, **json.loads((folder / "plan.json").read_text(encoding="utf-8")))

    def begin(self) -> None:
        """Make the folder, or go on in it.

        Raises:
            SystemExit: It was made for another number of rows.
        """
        plan = {name: value for name, value in asdict(self).items() if name != "folder"}
        path = self.folder / "plan.json"
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != plan:
            raise SystemExit(f"{self.folder}: was made for {path.read_text(encoding='utf-8')}; give another --folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan), encoding="utf-8")

    @property
    def history(self) -> Path:
        """Root of the history."""
        return self.folder / "history"

    @property
    def large(self) -> Path:
        """Root of the history of one large day."""
        return self.folder / "large"

    @property
    def delta(self) -> Path:
        """Folder of the Delta table."""
        return self.folder / "delta"

    @property
    def day_files(self) -> list[Path]:
        """Compacted days."""
        return sorted((self.history / DAYS / TOPIC).glob("plant=*/date=*/day.parquet"))

    @property
    def a_day(self) -> int:
        """Rows of a day: as many in each file, so a few more than were asked for."""
        return -(-self.rows // (self.days * self.files)) * self.files

    @property
    def middle(self) -> str:
        """A day in the middle."""
        return str(START.date() + timedelta(days=self.days // 2))

    def result(self, stage: str) -> Result | None:
        """What a stage has measured; None where it has not ended."""
        path = self.folder / f"{stage}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def keep(self, stage: str, result: Result) -> None:
        """A stage has ended."""
        partial = self.folder / f"{stage}.partial"
        partial.write_text(json.dumps(result), encoding="utf-8")
        partial.rename(self.folder / f"{stage}.json")

    def forget(self, stages: list[str]) -> None:
        """Forget what these stages and those that need them have left."""
        for stage in stages:
            for path in self.folder.glob(f"{stage}.*"):
                path.unlink()
        if set(stages) & set(_ANEW):
            shutil.rmtree(self.history, ignore_errors=True)
        if "large_write" in stages:
            shutil.rmtree(self.large, ignore_errors=True)
        if "large_publish" in stages:
            shutil.rmtree(self.large / "delta", ignore_errors=True)
        if "reports_compact" in stages:
            for zone in (self.large, self.large / DAYS):
                shutil.rmtree(zone / "operation-report", ignore_errors=True)
        for folder in [self.delta] * ("delta" in stages) + [self.folder / "replay"] * ("replay" in stages):
            shutil.rmtree(folder, ignore_errors=True)

    def by_day(self, stage: str, work: Callable[[int], Result]) -> Iterator[Result]:
        """Do a stage day by day with a line of progress each; days that are behind are not done again."""
        path = self.folder / f"{stage}.days.jsonl"
        known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        yield from known
        for day in range(len(known), self.days):
            begun, cpu = time.perf_counter(), cpu_seconds()
            done = work(day)
            done |= {"stage_wall_s": time.perf_counter() - begun, "stage_cpu_s": cpu_seconds() - cpu}
            with path.open("a", encoding="utf-8") as opened:
                opened.write(json.dumps(done) + "\n")
            rate = self.a_day / done["stage_wall_s"]
            console.print(
                f"  {stage}: day {day + 1} of {self.days}, {(day + 1) * self.a_day:,} rows, {rate:,.0f} rows/s"
            )
            yield done


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a call gives, with wall and CPU seconds."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    answer = work()
    return answer, {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_seconds() - cpu}


def circumstances() -> dict[str, Any]:
    """What else the machine did: figures of CPU time depend little on it, those of wall time do."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "nice": os.nice(0),
    }
