"""Faults besides the deaths: each begins, lasts, ends, and then the installation has to go on by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.chaos.full.disk import SmallDisk
from tests.chaos.full.keeper import Keeper
from tests.chaos.lives import Cluster, Single
from tests.servers.links import Link
from tests.servers.postgres import Postgres

#: Begins the name of the fault that the plant has to outlast.
OUTAGE = "ERPs away"
PAUSE = "poster paused beyond its lease"
#: What stopped says of itself in /proc/PID/stat.
_STOPPED = "T"


def nothing() -> None:
    """Some faults end by themselves."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Args:
        name: Row of the table.
        begin: Makes it happen.
        end: Ends it.
        is_over: Whether to end it now, given the seconds since it began.
        kills: SIGKILLs that it consists of.
    """

    name: str
    begin: Callable[[], None]
    end: Callable[[], None]
    is_over: Callable[[float], bool]
    kills: int = 0


def lasting(seconds: float) -> Callable[[float], bool]:
    """Over after so many seconds."""
    return lambda passed: passed >= seconds


def link_faults(link: Link) -> list[Fault]:
    """A link is cut, slow, and silent, each for a few seconds."""
    return [
        Fault(f"{link.name}: cut", link.cut, link.heal, lasting(3)),
        Fault(f"{link.name}: delayed 0.2 s", lambda: link.delay(0.2), link.heal, lasting(5)),
        Fault(f"{link.name}: silent", link.blackhole, link.heal, lasting(4)),
    ]


def killed(keeper: Keeper) -> Fault:
    """A server dies and is started again."""
    return Fault(f"{keeper.name} killed", keeper.kill, nothing, lambda _: keeper.is_back, kills=1)


def restarted(keeper: Keeper) -> Fault:
    """A server ends in good order and is started again."""
    return Fault(f"{keeper.name} restarted", keeper.restart, nothing, lambda _: keeper.is_back)


def backend_killed(postgres: Postgres) -> Fault:
    """PostgreSQL loses the process of one connection, cuts all others and recovers."""
    return Fault("PostgreSQL backend killed", lambda: _until_one_dies(postgres), nothing, lasting(0), kills=1)


def _until_one_dies(postgres: Postgres) -> None:
    while not postgres.kill_backend():
        time.sleep(0.05)


class Plant(Protocol):
    """What goes on whether ERPs can be reached or not."""

    def plant_seconds(self) -> float:
        """How much of the plant's day is over."""

    def read(self) -> int:
        """Records that the flow has read."""


def outage(links: list[Link], plant: Plant, plant_seconds: float) -> Fault:
    """No ERP can be reached until the plant has gone on for so long, and the flow has gone on reading."""
    begun: list[tuple[float, int]] = []

    def begin() -> None:
        begun.append((plant.plant_seconds(), plant.read()))
        for link in links:
            link.cut()

    def is_over(_passed: float) -> bool:
        since, read = begun[-1]
        return plant.plant_seconds() - since >= plant_seconds and plant.read() > read

    def end() -> None:
        for link in links:
            link.heal()

    return Fault(f"{OUTAGE} for {plant_seconds / 60:.0f} min of plant time", begin, end, is_over)


def disk_full(disk: SmallDisk, flow: Cluster) -> Fault:
    """No room for history and snapshots; the flow may end over it and is started again, as Kubernetes would."""

    def begin() -> None:
        flow.may_end(True)
        disk.fill()

    return Fault("disk of the flow full", begin, disk.free, lasting(6))


def clock_back(file: Path, seconds: float) -> Fault:
    """A poster's wall clock steps back, and after a while forward again."""
    return Fault(
        f"clock of a poster {seconds:.0f} s back",
        lambda: put(file, str(-seconds)),
        lambda: put(file, "0"),
        lasting(8),
    )


def paused(poster: Single, file: Path, point: str, seconds: float) -> Fault:
    """A poster stops at a named point, its lease ends meanwhile, and it goes on as if nothing had happened."""
    stopped: list[float] = []

    def is_over(passed: float) -> bool:
        if not stopped and is_stopped(poster.pid):
            stopped.append(passed)
        return bool(stopped) and passed - stopped[0] >= seconds

    def end() -> None:
        stopped.clear()
        if poster.pid is not None:
            os.kill(poster.pid, signal.SIGCONT)

    return Fault(f"{PAUSE}, {point}", lambda: put(file, point), end, is_over)


def is_stopped(pid: int | None) -> bool:
    """Whether a process is stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == _STOPPED
    except (OSError, IndexError):
        return False


def put(file: Path, text: str) -> None:
    """Replace a file's text at once: its reader sees the old or the new."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.rename(file)
