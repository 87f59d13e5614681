"""One flag for the whole process: SIGTERM or SIGINT asks every source to stop at its next batch.

The engine has no graceful stop of its own. A source that ends lets it write a last snapshot and exit with code 0;
logic that is told of the end looks at this flag, so that open windows are kept and not flushed.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

draining = threading.Event()


def install() -> None:
    """Let SIGTERM and SIGINT drain this process; a second one ends it at once."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if draining.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        draining.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
