"""Whether this process lives and is ready, by what its own work shows.

Live: the worker loop advances. A loop that is idle still turns, since sources are polled at common ticks. Waiting for
another system (ledger, broker, registry, ERP) is no stall: a restart would not end it, so it never restarts anything.
Ready: all that this process has to work on is assigned and its state restored.

In a cluster one process that stands still holds all others up. Only the one that is inside a step of ours then counts
as stalled; the engine itself ends the others once that one is started again.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from millrace.metrics.flow import LOOP_AGE, WAITING
from millrace.shutdown import draining

#: Other systems that may be waited for.
WAITS = ("ledger", "broker", "registry", "disk", "object_store")


@dataclass(slots=True)
class _Worker:
    """What turns: a partition of a flow's source, or the poster of a system."""

    thread: int
    at: float
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a probe: whether it holds, and one line that says why not."""

    holds: bool
    why: str


@dataclass(slots=True)
class Health:
    """Signs of life of one process; any thread may give and ask for them.

    Args:
        clock: Monotonic seconds.
        name: What works here: the flow or poster, as metrics name it.
    """

    clock: Callable[[], float] = time.monotonic
    name: str = ""
    _stall_after: float = float("inf")
    _alone: bool = True
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _waits: dict[str, float] = field(default_factory=dict)
    _blocked: set[str] = field(default_factory=set)
    _leaving: bool = False

    def begin(self, name: str, stall_after: float, *, alone: bool = True, expected: Iterable[str] = ()) -> None:
        """The work begins.

        Args:
            name: Name of the flow or poster.
            stall_after: Seconds without a turn after which a worker counts as stalled.
            alone: Whether no other process can hold this one up.
            expected: Workers that must have turned before the process is ready, besides those that are opened.
        """
        self.name, self._stall_after, self._alone, self._leaving = name, stall_after, alone, False
        for worker in expected:
            self.opened(worker)
        LOOP_AGE.set_function(self.loop_age)
        for system in WAITS:
            WAITING.labels(system).set_function(partial(self.waited, system))

    def opened(self, worker: str) -> None:
        """A worker exists and is about to turn."""
        self._workers[worker] = _Worker(threading.get_ident(), self.clock())

    def turned(self, worker: str) -> None:
        """A worker has come round."""
        self._workers[worker] = _Worker(threading.get_ident(), self.clock(), turned=True)

    def ended(self, worker: str) -> None:
        """A worker has done all that it had to do."""
        self._workers.pop(worker, None)

    def leaving(self) -> None:
        """The process was told to end: it lives, and takes nothing new."""
        self._leaving = True

    def waits(self, system: str, *, blocks: bool = True) -> None:
        """The wait for another system begins, or goes on.

        Args:
            system: One of `WAITS`.
            blocks: Whether the worker stands still meanwhile; then that is no stall.
        """
        self._waits.setdefault(system, self.clock())
        if blocks:
            self._blocked.add(system)

    def goes_on(self, system: str) -> None:
        """It has answered."""
        self._waits.pop(system, None)
        self._blocked.discard(system)

    def waited(self, system: str) -> float:
        """Seconds since the wait for a system began; 0 where nothing waits for it."""
        since = self._waits.get(system)
        return 0.0 if since is None else max(0.0, self.clock() - since)

    def loop_age(self) -> float:
        """Seconds since the worker that is furthest behind has turned; 0 before the first one exists."""
        now = self.clock()
        return max((now - worker.at for worker in list(self._workers.values())), default=0.0)

    def live(self) -> Verdict:
        """Whether every worker has turned lately, or waits for good reason."""
        if self._blocked:
            return Verdict(holds=True, why=f"waits for {', '.join(sorted(self._blocked))}")
        now, inside = self.clock(), sys._current_frames()
        for name, worker in sorted(self._workers.items()):
            age = now - worker.at
            if age > self._stall_after and (self._alone or worker.thread in inside):
                return Verdict(holds=False, why=f"{name} has not turned for {age:.0f} s")
        return Verdict(holds=True, why="the worker loop advances")

    def ready(self) -> Verdict:
        """Whether all workers are assigned, restored and at work."""
        if self._leaving or draining.is_set():
            return Verdict(holds=False, why="is being drained")
        workers = dict(self._workers)
        if not workers:
            return Verdict(holds=False, why="nothing is assigned yet")
        missing = sorted(name for name, worker in workers.items() if not worker.turned)
        if missing:
            return Verdict(holds=False, why=f"not at work yet: {', '.join(missing)}")
        return Verdict(holds=True, why="sources are assigned, state is restored")


#: The process's own.
health = Health()
