"""Named fail points: places where a test kills the process as power loss would.

`MILLRACE_FAILPOINT=name` kills at the first hit of that name, `name@3` at the third. `name:hang` stands still there for
ever instead, as a call that never returns would. Names are `<component>.<before|after>_<what>`; unset, a hit costs one
comparison.
"""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "MILLRACE_FAILPOINT"
_place, _, _how = os.environ.get(VARIABLE, "").partition(":")
_name, _, _at = _place.partition("@")
_left = int(_at or 1)


def hit(name: str) -> None:
    """Die by SIGKILL if the environment names this point and its count is reached."""
    if name == _name:
        _count_down()


def _count_down() -> None:
    global _left  # noqa: PLW0603 - one countdown per process is the point
    _left -= 1
    if _left == 0 and _how == "hang":
        threading.Event().wait()
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
