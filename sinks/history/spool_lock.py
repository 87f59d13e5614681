"""Who may touch a writer's files in a spool: one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def lock(folder: Path, writer: str) -> int | None:
    """Keep other processes off until the handle is closed, or this process ends; None where another one is there."""
    handle = os.open(folder / f"{writer}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
