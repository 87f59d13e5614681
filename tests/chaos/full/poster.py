"""`millrace post` for the crash test: its wall clock can be stepped, it can be paused at a named point, and for the
negative controls one safeguard can be taken off.

`python -m tests.chaos.full.poster --config FILE --clock FILE --pause FILE [--off NAME]`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update

from millrace import failpoints
from millrace.ledger import claims, marks, outcomes
from millrace.ledger.model import Status, Step
from millrace.ledger.tables import postings
from millrace.settings import load
from millrace.telemetry import configure_logging
from sinks.erp.leases import HeldLeases
from sinks.erp.run import run_poster
from sinks.erp.settings import PosterSettings


def step_clock(file: Path) -> None:
    """From now on the wall clock of this process is off by the seconds that the file names."""
    seconds, nanoseconds = time.time, time.time_ns

    def offset() -> float:
        try:
            return float(file.read_text())
        except FileNotFoundError:
            return 0.0

    time.time = lambda: seconds() + offset()
    time.time_ns = lambda: nanoseconds() + int(offset() * 1e9)


def pause_at(file: Path) -> None:
    """The whole process stops at the point that the file names, once; somebody else has to continue it."""
    hit = failpoints.hit

    def hit_or_stop(name: str) -> None:
        if file.exists() and file.read_text() == name:
            file.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)
        hit(name)

    failpoints.hit = hit_or_stop


def without_fencing() -> None:
    """Whoever comes with an outcome is taken for the holder of its lane."""
    record = outcomes.record_outcomes

    def unfenced(engine: Any, connection: Any, results: Any, now: int, who: str, owner: str, *more: Any) -> Any:
        outcomes._fences = lambda _, some: {outcomes._lane(o): (owner, o.step.fence) for o in some}  # type: ignore
        return record(engine, connection, results, now, who, owner, *more)

    outcomes.record_outcomes = unfenced  # type: ignore[assignment]


def without_mark() -> None:
    """Nothing says that a step is on its way until its outcome is written."""
    mark = marks.mark

    def unmarked(connection: Connection, steps: Sequence[Step], held: Any, by: Any) -> list[Step]:
        given = mark(connection, steps, held, by)
        sent = [step.external_reference for step in given if step.status is Status.PENDING]
        of_these = postings.c.external_reference.in_(sent)
        connection.execute(update(postings).where(of_these).values(status=Status.PENDING.value))
        return given

    claims.mark = unmarked  # type: ignore[attr-defined]


def without_lease_check() -> None:
    """A request is sent however long ago its order was claimed."""
    HeldLeases.may_send = lambda _leases, _step: True  # type: ignore[method-assign,assignment]


OFF: dict[str, Callable[[], None]] = {
    "fencing": without_fencing,
    "lease": without_lease_check,
    "mark": without_mark,
    "lookup": lambda: None,  # a switch of the driver
}


def main() -> None:
    """Post until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.full.poster", description=__doc__)
    for name in ("config", "clock", "pause"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--off", choices=OFF)
    options = parser.parse_args()
    step_clock(options.clock)
    pause_at(options.pause)
    if options.off:
        OFF[options.off]()
    configure_logging()
    asyncio.run(_post(load(PosterSettings, options.config), ask=options.off != "lookup"))


async def _post(settings: PosterSettings, *, ask: bool) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_poster(settings, stop, lookup_before_resend=ask)


if __name__ == "__main__":
    main()
