"""Processes that live, die by their fate and are started again, as Kubernetes would."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from sandbox.demo_process import Child
from tests.chaos.fates import Dying, Fate, Fates
from tests.servers.process import free_port

#: Seconds in which the rest of a cluster notices that one of it has died; then it is ended too.
NOTICES_S = 5.0
#: Seconds that a life lasts which ends by SIGTERM, from when it is awake.
DRAINED_AFTER_S = (1.0, 3.0)
DRAIN_S = 40.0
TOGETHER = 0.3
_KILLED = -signal.SIGKILL


class Life:
    """One process over all of its lives.

    While `may_end` it may also end by itself, for instance because its disk is full, and is started again.

    Args:
        name: Of the process and its log.
        command: What follows the interpreter.
        logs: Folder of the logs.
        fates: Where fates come from.
        dying: How it may die.
    """

    def __init__(self, name: str, command: Sequence[str], logs: Path, fates: Fates, dying: Dying) -> None:
        self._name, self._command, self._logs = name, command, logs
        self._fates, self._dying = fates, dying
        self._fate: Fate | None = None
        self._is_mortal = True
        self._killed, self._log_size = False, 0
        self._awake: float | None = None
        self.may_end = False
        self.child = Child(name, command, logs)

    def start(self, *arguments: str, mortal: bool = True) -> None:
        """Begin a life, with a fate while there are any."""
        self._is_mortal = mortal
        self._fate = self._fates.deal(self._dying) if mortal else None
        env = self._fate.env if self._fate else {}
        self.child = Child(self._name, [*self._command, *arguments], self._logs, env)
        self._killed, self._awake = False, None
        self._log_size = self.child.log.stat().st_size if self.child.log.exists() else 0
        self.child.start()

    @property
    def awake(self) -> float:
        """Seconds since it said that it has started; starting takes long while others use the machine."""
        if self._awake is None:
            with self.child.log.open("rb") as log:
                log.seek(self._log_size)
                self._awake = time.monotonic() if self._dying.awake in log.read() else None
        return time.monotonic() - self._awake if self._awake is not None else 0.0

    def dead(self) -> bool:
        """Kill it when its time has come; True once it has died as it was to die.

        Raises:
            DemoFailed: It ended by itself.
        """
        if self._fate is None and self._is_mortal and self.awake > 0:
            self._fate = self._fates.deal_late(self._dying, self.awake)
        fate = self._fate
        if fate is not None and self.child.running and self.awake > fate.after:
            self._killed = True
            self.child.kill()
        status = self.child.exit_status
        if status is None:
            return False
        self._fate = None
        if fate is not None and status == _KILLED:
            self._fates.died(self._name, None if self._killed else fate.point)
        elif self.may_end:
            if fate is not None:
                self._fates.take_back()
        else:
            raise self.child.failed(f"ended by itself with exit status {status}")
        return True

    def kill(self) -> None:
        """Not by its fate, which is given back."""
        self.child.kill()
        if self._fate is not None:
            self._fates.take_back()
            self._fate = None


class Single:
    """A process that needs no other: poster or ERP.

    Args:
        life: The process.
        on_start: Called after each start.
    """

    def __init__(self, life: Life, on_start: Callable[[Child], None] | None = None) -> None:
        self._life, self._on_start = life, on_start

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self._life.child.running

    @property
    def awake(self) -> float:
        """Seconds since it has started."""
        return self._life.awake

    @property
    def pid(self) -> int | None:
        """Process id of this life."""
        return self._life.child.pid

    def start(self) -> None:
        """Begin the next life."""
        self._life.start()
        if self._on_start:
            self._on_start(self._life.child)

    def tick(self) -> None:
        """Start it again when it has died."""
        if self._life.dead():
            self.start()

    def drain(self) -> None:
        """SIGTERM; it must end with exit status 0."""
        _drain([self._life.child])

    def kill(self) -> None:
        """End of the test."""
        self._life.kill()


class Cluster:
    """The processes of one flow: one dies, the others end too, all are started again.

    Args:
        build: Makes the life of process number i.
        layout: File that process 0 writes when the recovery store is made.
        sizes: How many processes, one after the other; between two of them the flow is drained by SIGTERM.
        share: How much of the test has passed, from 0 to 1.
        rng: Chooses the victim.
    """

    def __init__(
        self,
        build: Callable[[int], Life],
        layout: Path,
        sizes: Sequence[int],
        share: Callable[[], float],
        rng: Random,
    ) -> None:
        self._build, self._layout, self._sizes, self._share, self._rng = build, layout, sizes, share, rng
        self._lives: list[Life] = []
        self._victim = 0
        self._phase = 0
        self._drain_after: float | None = None
        self._may_end = False
        self.may_drain = True
        self.drains = 0

    @property
    def size(self) -> int:
        """Processes that it consists of now."""
        return self._sizes[self._phase]

    def start(self) -> None:
        """Start all processes; one of them with a fate, unless this life is to be drained."""
        last = self._phase + 1 == len(self._sizes)
        drained = not last and self._share() >= (self._phase + 1) / len(self._sizes)
        self._drain_after = self._rng.uniform(*DRAINED_AFTER_S) if drained else None
        addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(self.size))
        self._victim = self._rng.randrange(self.size)
        self._lives = [self._build(number) for number in range(self.size)]
        for life in self._lives:
            life.may_end = self._may_end
        for number, life in enumerate(self._lives):
            cluster = ["--process", str(number), "--addresses", addresses] if self.size > 1 else []
            life.start(*cluster, mortal=number == self._victim and not drained)
            if number == 0:
                self._wait_for_the_store(life)

    def _wait_for_the_store(self, life: Life) -> None:
        while not self._layout.exists() and not life.child.exit_status:
            time.sleep(0.02)

    def tick(self) -> None:
        """Start all again when one has died; drain and change the number when it is time."""
        victim = self._lives[self._victim]
        if victim.dead() or any(life.dead() for life in self._lives if life is not victim and victim.child.running):
            self._end_the_rest()
            self.start()
            return
        if self._drain_after is not None and self.awake > self._drain_after and self.may_drain:
            self.drain()
            self._phase += 1
            self.start()

    def may_end(self, may: bool) -> None:
        """Whether its processes may end by themselves for now.

        Those that have seen what they may end over may do so later, too: to die takes a moment.
        """
        self._may_end = may
        for life in self._lives:
            life.may_end = life.may_end or may

    def _end_the_rest(self) -> None:
        """Now and then the whole cluster dies at once, else the others notice by themselves."""
        deadline = time.monotonic() + (0 if self._rng.random() < TOGETHER else NOTICES_S)
        while any(life.child.running for life in self._lives) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.kill()

    @property
    def awake(self) -> float:
        """Seconds since the last of its processes has started."""
        return min(life.awake for life in self._lives)

    def drain(self) -> None:
        """SIGTERM to all; each must end with exit status 0."""
        self.drains += 1
        _drain([life.child for life in self._lives])

    def kill(self) -> None:
        """End of the test, or of a cluster that lost a member."""
        for life in self._lives:
            life.kill()


def _drain(children: Sequence[Child]) -> None:
    with ThreadPoolExecutor(len(children)) as pool:
        statuses = list(pool.map(lambda child: child.stop(DRAIN_S), children))
    for child, status in zip(children, statuses, strict=True):
        if status != 0:
            raise child.failed(f"was told to end, and its exit status is {status}")
