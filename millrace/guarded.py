"""Child processes that do not outlive the process that started them, however that ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

#: Asks the kernel for SIGKILL when the thread that started the process ends, then becomes the program. Not done
#: between fork and exec, where Python code is unsafe beside threads.
_GUARD = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None, use_errno=True).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def guarded(arguments: Sequence[str]) -> list[str]:
    """Command line of this interpreter with arguments, as a child of this process that ends with it."""
    return [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *arguments]
