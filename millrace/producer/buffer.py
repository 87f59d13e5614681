"""Events on disk until the broker has them, in order, with the numbers given so far.

A file is named for the index of its first event and begins with the numbers given before it, so that older files can go
as soon as all of their events are delivered. The file `delivered` holds the index of the last event the broker took;
losing it costs repeats only.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from millrace.errors import Misconfigured, Rejected
from millrace.producer.files import BufferFull, Files
from millrace.producer.frames import Event, Scope, frame, pack, unpack

#: A buffer consists of about so many files; only whole files can go.
_FILES = 8


@dataclass(frozen=True, slots=True)
class Last:
    """Newest event accepted in a scope."""

    sequence: int
    event_id: str


class Position(NamedTuple):
    """Where to read on: a file by the index of its first event, and an offset."""

    file: int
    offset: int


class Buffer:
    """The buffer of one process; safe to use from several threads.

    Args:
        folder: Its folder; made where it is missing.
        max_bytes: Bound of its files together.
        durable: True: `append` returns when the disk has the events. False: when the operating system has them; the
            disk gets them before the broker does.

    Raises:
        Misconfigured: Another process uses the folder, or a file is damaged.
    """

    def __init__(self, folder: Path, max_bytes: int, *, durable: bool = True) -> None:
        self._max_bytes, self._durable = max_bytes, durable
        self._lock = threading.Lock()
        self._last: dict[Scope, Last] = {}
        self._next = 1
        self._files = Files(folder)
        try:
            self._recover()
        except Misconfigured:
            self._files.close()
            raise

    def _recover(self) -> None:
        for first, (state, *accepted) in self._files.recover():
            self._next = first
            self._last = {Scope(*scope): Last(*last) for scope, last in json.loads(state)}
            for payload in accepted:
                self._count(unpack(payload))
        if not self._files.sizes:
            self._files.begin(self._next, self._state())
        self._delivered = max(self._noted(), min(self._files.sizes) - 1)

    def _count(self, events: Sequence[Event]) -> None:
        for event in events:
            self._last[event.scope] = Last(event.sequence, event.event_id)
        self._next += len(events)

    def _state(self) -> bytes:
        last = [[[s.contract, s.plant, s.source], [n.sequence, n.event_id]] for s, n in self._last.items()]
        return json.dumps(last, separators=(",", ":")).encode()

    # -- the caller's side

    def last(self, scope: Scope) -> Last | None:
        """Newest event accepted in a scope; None where there is none."""
        with self._lock:
            return self._last.get(scope)

    @property
    def waiting(self) -> int:
        """Events that the broker does not have yet."""
        with self._lock:
            return self._waiting

    @property
    def _waiting(self) -> int:
        return self._next - 1 - self._delivered

    @property
    def size(self) -> int:
        """Bytes of the files."""
        with self._lock:
            return self._files.size

    def append(self, events: Sequence[Event]) -> None:
        """Accept events together, behind all that were accepted before.

        Raises:
            BufferFull: There is no room; nothing was accepted.
            Rejected: They are more than the buffer could ever hold at once.
            BufferLost: The disk failed in a way that needs a new start.
        """
        written = frame(pack(events))
        with self._lock:
            self._make_room(len(written))
            self._files.write(written)
            self._count(events)
            if self._durable:
                self._files.sync()

    def _make_room(self, more: int) -> None:
        newest = self._files.newest
        if self._next > newest and self._files.sizes[newest] + more > self._max_bytes // _FILES:
            state = self._state()
            if not self._waiting or self._files.size + len(frame(state)) + more <= self._max_bytes:
                self._files.begin(self._next, state)
                self._drop()
        if self._files.size + more > self._max_bytes:
            if not self._waiting:
                raise Rejected("oversize", f"{more} bytes at once are more than the buffer may hold")
            raise BufferFull(f"the buffer is full: {self._waiting} events wait for the broker")

    # -- the sender's side

    def first_waiting(self) -> tuple[Position, int]:
        """Where to read from, and how many events to skip there, to come to the first that waits."""
        with self._lock:
            wanted = self._delivered + 1
            file = max(first for first in self._files.sizes if first <= wanted)
            return self._begin_of(file), wanted - file

    def _begin_of(self, file: int) -> Position:
        return Position(file, self._files.read(file, 0)[1])

    def read(self, at: Position) -> tuple[list[Event], Position] | None:
        """Events that were accepted together, and where to read on; None where there are no more.

        What is read is on the disk: a number that left the process is never given twice.
        """
        with self._lock:
            self._files.sync()
            if at.offset >= self._files.sizes.get(at.file, 0):  # a file that went was read to its end
                later = [first for first in self._files.sizes if first > at.file]
                if not later:
                    return None
                at = self._begin_of(min(later))
                if at.offset >= self._files.sizes[at.file]:
                    return None
            payload, behind = self._files.read(*at)
        return unpack(payload), Position(at.file, behind)

    def delivered(self, count: int) -> None:
        """The broker has so many more, in order; files of which it has everything go."""
        with self._lock:
            self._delivered += count
            draft = self._files.folder / "delivered.draft"
            with suppress(OSError):  # a full disk must not keep the buffer from shrinking
                draft.write_text(_note(self._delivered))
                draft.rename(self._files.folder / "delivered")
            self._drop()

    def _drop(self) -> None:
        for first, following in pairwise(sorted(self._files.sizes)):
            if following - 1 <= self._delivered:
                self._files.drop(first)

    def _noted(self) -> int:
        """What the note of the last delivered event says; 0 where it is missing or damaged."""
        try:
            number = int((self._files.folder / "delivered").read_text().split()[0])
            whole = (self._files.folder / "delivered").read_text() == _note(number)
        except (OSError, ValueError, IndexError):
            return 0
        return number if whole and number < self._next else 0

    def close(self) -> None:
        """Give the folder free; events that wait stay."""
        with self._lock:
            self._files.close()


def _note(number: int) -> str:
    return f"{number} {zlib.crc32(str(number).encode()):08x}"
