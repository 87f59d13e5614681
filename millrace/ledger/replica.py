"""Who holds a claim: an identity that no other process ever has, and whether its process is known to be dead.

A replica that dies is known to be dead at the end of its leases. Where it ran on this very machine (same boot, same
process namespace), the kernel knows it at once, so a poster that is started again after a crash need not wait.
"""

from __future__ import annotations

import os
import secrets
from functools import cache
from pathlib import Path

_STATE, _STARTED = 0, 19  # fields of /proc/PID/stat behind the name: state, start in ticks since boot
_DEAD = ("Z", "X")


def identity(name: str) -> str:
    """A new identity of this process under a name for people."""
    return f"{name}~{_machine()}~{os.getpid()}.{_started(os.getpid())}~{secrets.token_hex(4)}"


def name_of(owner: str) -> str:
    """The name for people in an identity, with its random end: enough to tell replicas apart."""
    parts = owner.split("~")
    return f"{parts[0]}~{parts[-1]}" if len(parts) > 1 else owner


def known_dead(owner: str) -> bool:
    """Whether the holder's process ended on this machine; False where that cannot be seen from here."""
    parts = owner.split("~")
    if len(parts) != 4 or parts[1] != _machine() or not parts[1]:
        return False
    pid, _, started = parts[2].partition(".")
    return _started(int(pid)) != started


@cache
def _machine() -> str:
    """Boot and process namespace, within which a process id means the same; "" where they cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks; "" where it runs no more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in _DEAD else fields[_STARTED]


__all__ = ["identity", "known_dead", "name_of"]
