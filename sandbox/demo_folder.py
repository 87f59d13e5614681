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


class Ended:
    """Whether the demo was asked to end.

    The request interrupts what goes on; where that happens in code whose errors nobody sees, such as a destructor, the
    interrupt is lost, so whoever waits in a loop asks here as well.
    """

    def __init__(self) -> None:
        self._asked = False

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Handler of a signal."""
        self._asked = True
        raise KeyboardInterrupt

    def heed(self) -> None:
        """Raise KeyboardInterrupt where it was."""
        if self._asked:
            raise KeyboardInterrupt


@contextmanager
def ended_by_signals() -> Iterator[Ended]:
    """SIGTERM ends the demo as Ctrl-C does, so that its processes are ended too."""
    ended = Ended()
    before = {number: signal.signal(number, ended.ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
