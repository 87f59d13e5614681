"""`millrace run FLOW --processes N`: the engine's processes on one machine, which start and end together.

The engine ends all processes when one dies, and the next start mends the recovery store before anybody writes to it
(`dataflows.unfinished_epochs`). So whoever restarts them one by one, as a kubelet restarts containers, would have to
wait for the last one to be gone. Here one parent starts all, waits for all, and is what gets restarted.

The processes speak to each other over 127.0.0.1 alone: the engine exchanges pickles, and whoever reaches its port
could run code. The parent imports next to nothing, so they are ready that much earlier.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import FrameType

import structlog
import yaml

from millrace.guarded import guarded
from millrace.telemetry import configure_logging

OPTION = "--processes"
_NOT_WITH = ("--process", "--addresses", "--input", "--out", "--help")
_LAYOUT = "layout.json"
_POLL_S = 0.05
log = structlog.get_logger("millrace.run")


def wanted(arguments: Sequence[str]) -> int:
    """How many processes a command line asks for; 1 where it is none for this module, or is wrong."""
    asked = _values(arguments, OPTION)
    alone = not any(each.partition("=")[0] in _NOT_WITH for each in arguments)
    ours = list(arguments[:1]) == ["run"] and alone and len(asked) == 1 and asked[0].isdecimal()
    return int(asked[0]) if ours else 1


def run_together(processes: int, arguments: Sequence[str]) -> int:
    """Run a command line so many times as one cluster until all have ended.

    SIGTERM and SIGINT are handed on. When one process ends otherwise than drained, the others are killed, so that
    none is left that still writes.

    Args:
        processes: How many.
        arguments: What stands behind `millrace`.

    Returns:
        0 where all were drained, else the exit status of the first one that was not.
    """
    configure_logging()
    addresses = ";".join(f"127.0.0.1:{port}" for port in _free_ports(processes))
    command = [*_without_option(arguments), "--addresses", addresses, "--process"]
    children: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, _frame: FrameType | None) -> None:
        for child in children:
            child.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    signal.signal(signal.SIGINT, hand_on)
    children.append(_start([*command, "0"]))
    _until_there_is_a_store(arguments, children[0])
    if children[0].returncode is not None:
        return _as_status(children[0].returncode)
    children += [_start([*command, str(number)]) for number in range(1, processes)]
    return _until_all_have_ended(children)


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    # A session of its own: a terminal's Ctrl-C reaches the parent alone, and each child once.
    return subprocess.Popen(guarded(["-m", "millrace", *arguments]), start_new_session=True)  # noqa: S603 - ours


def _until_all_have_ended(children: Sequence[subprocess.Popen[bytes]]) -> int:
    running, outcome = {child.pid: child for child in children}, 0
    while running:
        pid, waited = os.wait()
        child = running.pop(pid, None)
        if child is None:
            continue  # as the first process of a container one is given strangers' orphans, too
        child.returncode = os.waitstatus_to_exitcode(waited)
        if child.returncode != 0 and outcome == 0:
            outcome = _as_status(child.returncode)
            log.error("process_ended", process=children.index(child), status=child.returncode, left=len(running))
            for other in running.values():
                other.kill()
    return outcome


def _as_status(returncode: int) -> int:
    """As a shell tells it: 137 for a process that was killed."""
    return returncode if returncode >= 0 else 128 - returncode


def _until_there_is_a_store(arguments: Sequence[str], first: subprocess.Popen[bytes]) -> None:
    """The very first time process 0 makes the recovery store, and the others would find none."""
    recovery = os.environ.get("MILLRACE_RECOVERY") or _recovery_in(_values(arguments, "--config"))
    while recovery and not (Path(recovery) / _LAYOUT).exists() and first.poll() is None:
        time.sleep(_POLL_S)


def _recovery_in(files: Sequence[str]) -> str:
    """As the settings file names it. What is wrong with that file process 0 tells."""
    try:
        settings = yaml.safe_load(Path(files[-1]).read_text(encoding="utf-8")) if files else {}
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    return str(settings.get("recovery") or "") if isinstance(settings, dict) else ""


def _values(arguments: Sequence[str], option: str) -> list[str]:
    apart = [value for name, value in pairwise([*arguments, ""]) if name == option]
    return apart + [each.partition("=")[2] for each in arguments if each.startswith(f"{option}=")]


def _without_option(arguments: Sequence[str]) -> list[str]:
    kept = [each for each in arguments if not each.startswith(f"{OPTION}=")]
    if OPTION in kept:
        at = kept.index(OPTION)
        del kept[at : at + 2]
    return kept


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
