"""What the demo needs of its machine: an empty folder, a free port, an end by SIGTERM that leaves nothing running."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from millrace.errors import Misconfigured

MARKER = "demo.json"


def fresh_folder(out: Path, *, keep: bool) -> Path:
    """An empty folder; what an earlier demo left there is removed, or moved aside.

    Raises:
        Misconfigured: It holds something that no demo made.
    """
    folder = out.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise Misconfigured(f"{out} holds files that no demo made; name another folder with --out")
        if keep:
            folder.rename(_aside(folder))
        else:
            shutil.rmtree(folder)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    return folder


def _aside(folder: Path) -> Path:
    numbers = range(1, 10_000)
    return next(p for n in numbers if not (p := folder.with_name(f"{folder.name}.{n}")).exists())


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, so that its processes are ended too."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
