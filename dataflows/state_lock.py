"""Who may touch a recovery store: processes of its flow together, or one command alone.

The kernel gives the lock back when its holder dies, so a kill leaves nothing to clean up. On a shared disk it holds
between hosts where the file system passes `flock` on, as NFS 4 does.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millrace.errors import Misconfigured

LOCK = "lock"


@contextmanager
def in_use(recovery: Path) -> Iterator[None]:
    """Held by each process of a flow while it runs.

    Raises:
        Misconfigured: A command works on the store.
    """
    recovery.mkdir(parents=True, exist_ok=True)
    with _locked(recovery, fcntl.LOCK_SH, "a `millrace state` command works on this store; start when it is done"):
        yield


@contextmanager
def alone(recovery: Path) -> Iterator[None]:
    """Held by a command that changes the store.

    Raises:
        Misconfigured: A process of the flow runs, another command works on the store, or there is none.
    """
    if not recovery.is_dir():
        raise Misconfigured(f"{recovery}: there is no such folder")
    with _locked(recovery, fcntl.LOCK_EX, "the flow runs on this store; drain all of its processes first (SIGTERM)"):
        yield


@contextmanager
def _locked(recovery: Path, kind: int, otherwise: str) -> Iterator[None]:
    with (recovery / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(f"{recovery}: {otherwise}") from None
        yield


__all__ = ["LOCK", "alone", "in_use"]
