"""Files of a buffer: they only grow, the newest is written to, and a disk that fails is never trusted again."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from millrace.durable import sync
from millrace.errors import MillraceError, Misconfigured, Retriable
from millrace.producer.frames import frame, frames


class BufferFull(Retriable):
    """The bound of the buffer, or of its disk, is reached: nothing of the call was accepted."""


class BufferLost(MillraceError):
    """The disk failed so that nobody knows what it holds; start the process again."""


class Files:
    """Files `<number>.events` of a folder that one process has for itself.

    Args:
        folder: Made where it is missing.

    Raises:
        Misconfigured: Another process uses the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock_file = _locked(folder / "lock")
        for draft in folder.glob("*.draft"):
            draft.unlink()
        self.sizes: dict[int, int] = {}
        self._file: BinaryIO | None = None
        self._dirty, self._broken = False, ""

    @property
    def newest(self) -> int:
        """Number of the file that is written to."""
        return max(self.sizes)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes.values())

    def recover(self) -> Iterator[tuple[int, list[bytes]]]:
        """Payloads of every file, oldest first; a frame that was torn at the very end is cut off.

        Raises:
            Misconfigured: A file is damaged where a crash does not explain it.
        """
        found = sorted(int(path.stem) for path in self.folder.glob("*.events"))
        for number in found:
            content = list(frames(self.path(number)))
            end = content[-1][1] if content else 0
            if not content or (number != found[-1] and end != self.path(number).stat().st_size):
                raise Misconfigured(f"{self.path(number)}: damaged, and a crash does not explain it")
            self.sizes[number] = end
            yield number, [payload for payload, _end in content]
        if found:
            self._open()

    def _open(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self.path(self.newest).open("r+b", buffering=0)
        self._to_end()
        os.fsync(self._file.fileno())

    def _to_end(self) -> None:
        self._writer.truncate(self.sizes[self.newest])
        self._writer.seek(self.sizes[self.newest])

    @property
    def _writer(self) -> BinaryIO:
        if self._broken or self._file is None:
            raise BufferLost(self._broken or "the buffer is closed")
        return self._file

    def begin(self, number: int, payload: bytes) -> None:
        """A new file with its first payload; it has its name only when it is whole and on the disk.

        Raises:
            BufferFull: The disk has no room.
        """
        self.sync()
        draft = self.path(number).with_suffix(".draft")
        try:
            with draft.open("wb") as file:
                file.write(frame(payload))
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.path(number))
            sync(self.folder)
        except OSError as error:
            raise BufferFull(f"{self.folder}: {error.strerror}") from error
        self.sizes[number] = self.path(number).stat().st_size
        self._open()

    def write(self, written: bytes) -> None:
        """Append frames to the newest file.

        Raises:
            BufferFull: The disk does not take them; the file is as before.
            BufferLost: Nobody knows what the file holds now.
        """
        try:
            if self._writer.write(written) != len(written):
                raise OSError(0, "the disk took a part only")
        except OSError as error:
            self._undo()
            raise BufferFull(f"{self.folder}: {error.strerror}") from error
        self.sizes[self.newest] += len(written)
        self._dirty = True

    def _undo(self) -> None:
        try:
            self._to_end()
        except OSError as error:
            self._lost(error)

    def sync(self) -> None:
        """Wait until the disk has everything."""
        if not self._dirty:
            return
        try:
            os.fsync(self._writer.fileno())
        except OSError as error:
            self._lost(error)
        self._dirty = False

    def _lost(self, error: OSError) -> None:
        """After a failed write-back the operating system may show what the disk does not have."""
        self._broken = f"{self.folder}: {error.strerror}"
        raise BufferLost(self._broken) from error

    def read(self, number: int, offset: int) -> tuple[bytes, int]:
        """Payload at an offset, and the offset behind it."""
        return next(islice(frames(self.path(number), offset), 1))

    def drop(self, number: int) -> None:
        """A file whose events are all delivered goes."""
        self.path(number).unlink()
        del self.sizes[number]

    def path(self, number: int) -> Path:
        """Path of a file."""
        return self.folder / f"{number:020d}.events"

    def close(self) -> None:
        """Give the folder free; what is in it stays."""
        if self._file is not None:
            if not self._broken:
                self.sync()
            self._file.close()
        self._file = None
        self._lock_file.close()


def _locked(path: Path) -> BinaryIO:
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Misconfigured(f"{path.parent}: another process uses this buffer") from None
    return file
