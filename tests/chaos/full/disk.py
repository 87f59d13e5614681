"""A small disk that can be filled to the last byte, for what the flow keeps: history and recovery store."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path

_BYTES = 256 * 1024 * 1024
_CHUNK = bytes(1024 * 1024)


class SmallDisk:
    """A file system in memory at a folder; where mounting is not permitted, the folder as it is.

    Args:
        folder: Where to mount it; made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={_BYTES}", "tmpfs", str(folder)]
        self.can_be_filled = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Not one more byte can be written."""
        with self._ballast.open("wb", buffering=0) as ballast:
            for chunk in (_CHUNK, _CHUNK[:4096], _CHUNK[:1]):
                _until_full(ballast.write, chunk)

    def free(self) -> None:
        """There is room again."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount; what is on it is gone."""
        if self.can_be_filled:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)


def _until_full(write: Callable[[bytes], int | None], chunk: bytes) -> None:
    try:
        while write(chunk):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
