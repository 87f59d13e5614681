"""The local spool before an object store: a lane writes there and never waits for the store.

Files lie below `<spool>/<topic>/plant=.../date=.../` under the names that they get in the store. One thread per lane
uploads them in the order of their numbers and removes what the store has. How far the store is right is kept in
`<spool>/<writer>.mark`: every file with a lower number is uploaded, and nothing with a higher one counts. A lane that
goes on from an older snapshot lowers the mark; before it uploads again, the thread empties in the store what stands at
the mark or above, and what may still arrive there (`sinks.history.spool_late`).

Delivery: exactly once over kills, as long as spool and recovery store are kept. While the store is down, or refuses
us, the spool grows to its limit; then the lane takes no more batches, so that the log keeps them.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from millrace.errors import Misconfigured, NoRoom
from millrace.failpoints import hit
from millrace.health import health
from millrace.metrics import spool as metrics
from sinks.history.places import ObjectPath
from sinks.history.spool_late import doubt, purge
from sinks.history.spool_lock import lock
from sinks.history.store import make_folder, upload, write

log = structlog.get_logger("millrace.history.spool")
#: Uploads of a lane that are under way at a time.
AT_A_TIME = 8
LONGEST_PAUSE_S = 5.0
#: Share of the limit from which the spool warns.
FILLING = 0.8


@dataclass(slots=True)
class SpoolLimit:
    """Bytes, at most, that the spools of a process may hold together."""

    most: int
    _held: dict[str, int] = field(default_factory=dict)

    def hold(self, writer: str, size: int) -> None:
        """A writer's spool holds so many bytes now."""
        self._held[writer] = size

    @property
    def share(self) -> float:
        """Bytes held, as a share of the limit."""
        return sum(list(self._held.values())) / self.most  # a copy: other lanes hold meanwhile


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """A file that is not in the store yet."""

    number: int
    path: Path
    size: int


class Spool:
    """The spool of one lane.

    Args:
        folder: Folder on a disk that outlives the process.
        store: Root of the history.
        limit: Bound that it shares with the other lanes of the process.
        flow: Name of the flow, for metrics.
        lane: Name of the lane.
        pause: Waits before the next attempt while the store is down.
    """

    def __init__(
        self,
        folder: Path,
        store: ObjectPath,
        limit: SpoolLimit,
        flow: str,
        lane: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause = pause
        self._folder, self._store, self._limit, self._flow, self._lane = folder, store, limit, flow, lane
        self._waiting: deque[Waiting] = deque()
        self._uploaded = self._size = self._level = 0
        self._is_down = self._closed = self._purged = False
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"spool-{lane}", daemon=True)
        self._failure: Exception | None = None
        self._writer = ""

    def resume(self, writer: str, number: int) -> None:
        """Go on at a number; files numbered at or above it are gone from the folder already.

        Raises:
            Misconfigured: Files below the number are neither in the spool nor known to be in the store, or another
                process uploads them.
        """
        make_folder(self._folder, self._folder)
        self._writer = writer
        self._hold()
        mark, lost = self._read("mark"), self._read("lost")
        found = {each.number: each for each in self._files()}
        if mark is None:
            mark = 0 if lost is None else min(found, default=number)
        self._uploaded = min(mark, number)
        missing = [n for n in range(max(self._uploaded, lost or 0), number) if n not in found]
        if missing:
            raise self._lost(missing, number)
        self._set_mark(self._uploaded)
        for each in sorted(found.values()):
            if each.number < self._uploaded:
                each.path.unlink()
            else:
                self._add(each)
        self._thread.start()

    def doubt(self, path: Path) -> None:
        """A file is about to be removed from the folder; an earlier life may have begun to upload it."""
        doubt(self._folder, path)

    def _hold(self) -> None:
        """Keep other processes off, until this one ends."""
        handle = lock(self._folder, self._writer)
        if handle is None:
            raise Misconfigured(f"{self._folder / self._writer}.lock: another process uploads these files")
        self._lock = handle

    def wrote(self, number: int, path: Path) -> None:
        """A durable file waits for its upload."""
        with self._wake:
            self._add(Waiting(number, path, path.stat().st_size))
            self._wake.notify()

    def _add(self, each: Waiting) -> None:
        self._waiting.append(each)
        self._size += each.size
        self._tell()

    @property
    def uploaded(self) -> int:
        """Every file with a lower number is in the store for good, as of the lane's state."""
        return self._uploaded

    @property
    def files(self) -> int:
        """Files that the store does not have yet."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether the store has everything, and nothing that it should not have."""
        return self._purged and not self._waiting

    def admit(self) -> None:
        """Let the lane take a batch.

        Raises:
            NoRoom: The spool is full.
        """
        if self._limit.share >= 1:
            raise NoRoom(f"{self._folder}: the spool is full")

    def notices(self) -> list[dict[str, str]]:
        """Alerts that are due: once when the spool fills, once when it is full, again after it was half empty."""
        share = self._limit.share
        level = 2 if share >= 1 else 1 if share >= FILLING else 0
        before, self._level = self._level, level if share < FILLING / 2 else max(level, self._level)
        if self._level <= before:
            return []
        word = "full, and the flow reads no more" if self._level == 2 else f"filled to {share:.0%}"
        kind, severity = [("history_spool_filling", "WARNING"), ("history_spool_full", "CRITICAL")][self._level - 1]
        message = f"the history's spool is {word}: {len(self._waiting)} files of {self._lane} wait for {self._store}"
        return [{"kind": kind, "severity": severity, "plant": "", "subject": self._lane, "message": message}]

    def close(self) -> None:
        """Upload no more; what waits stays in the spool."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._lock)

    def _run(self) -> None:
        """Upload until the process ends. Whatever fails counts as the store being down, and is tried again."""
        pause = 0.1
        while self._has_work():
            try:
                self._purged = self._purged or self._purge()
                self._upload()
            except Exception as error:  # the thread must outlive whatever a store may answer
                self._failure = error
                self._down()
                self._pause(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                self._up()
                pause = 0.1

    def _has_work(self) -> bool:
        """Wait for a file; False when the spool is closed."""
        with self._wake:
            self._wake.wait_for(lambda: self._closed or self._waiting or not self._purged)
            return not self._closed

    def _purge(self) -> bool:
        """Nothing of an earlier life counts at the mark or above: its rows come again under other names."""
        purge(self._folder, self._writer, self._store, self._uploaded)
        return True

    def _upload(self) -> None:
        """The next files, several at a time; the mark moves when all of them are in the store."""
        batch = [self._waiting[n] for n in range(min(AT_A_TIME, len(self._waiting)))]
        if not batch:
            return
        asyncio.run(self._upload_all(batch))
        following = batch[-1].number + 1
        hit("spool.before_mark")
        self._set_mark(following)
        hit("spool.after_mark")
        for each in batch:
            each.path.unlink(missing_ok=True)
        with self._wake:
            self._uploaded = following
            for each in batch:
                self._waiting.popleft()
                self._size -= each.size
            self._tell()

    def _set_mark(self, number: int) -> None:
        """Written over in its place: on a full disk only the mark makes room, so it must not need any."""
        path = self._folder / f"{self._writer}.mark"
        content = f"{number:010d}\n".encode()
        if not path.exists():
            write(path, content)
            return
        with path.open("r+b") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())

    async def _upload_all(self, batch: Sequence[Waiting]) -> None:
        await asyncio.gather(*(self._upload_one(each) for each in batch))

    async def _upload_one(self, each: Waiting) -> None:
        await upload(each.path, self._store / each.path.relative_to(self._folder))
        hit("spool.after_upload")
        metrics.UPLOADS.labels(self._flow).inc()

    def _down(self) -> None:
        health.waits("object_store", blocks=False)
        if not self._is_down:
            log.warning("object_store_down", lane=self._lane, waiting=len(self._waiting), detail=str(self._failure))
        self._is_down = True

    def _up(self) -> None:
        if self._is_down:
            health.goes_on("object_store")
            log.info("object_store_up", lane=self._lane, waiting=len(self._waiting))
        self._is_down = False

    def _tell(self) -> None:
        self._limit.hold(self._writer, self._size)
        metrics.BYTES.labels(self._flow, self._lane).set(self._size)
        metrics.FILES.labels(self._flow, self._lane).set(len(self._waiting))
        metrics.LIMIT.labels(self._flow).set(self._limit.most)

    def _files(self) -> Iterable[Waiting]:
        for path in self._folder.glob(f"*/plant=*/date=*/{self._writer}-*.parquet"):
            yield Waiting(int(path.stem.rpartition("-")[2]), path, path.stat().st_size)

    def _read(self, kind: str) -> int | None:
        path = self._folder / f"{self._writer}.{kind}"
        try:
            return int(path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Misconfigured(f"{path}: is no number: {error}") from error

    def _lost(self, missing: Sequence[int], number: int) -> Misconfigured:
        return Misconfigured(
            f"{self._folder}: the flow's state counts on {number} files of {self._writer}, but number {missing[0]} "
            f"{f'to {missing[-1]} are' if len(missing) > 1 else 'is'} neither here nor known to be in {self._store}. "
            f"What the spool alone had is lost with its disk: bring the disk back, or put the number {number} into "
            f"{self._writer}.lost beside it to go on without those rows (docs/history-stores.md, A lost spool)"
        )
