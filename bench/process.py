"""What a benchmark reads of its own process, and how it gets one that is pinned to a core."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]
ROOT = Path(__file__).parents[1]


def cpu_seconds() -> float:
    """User and system time of this process so far, all its threads (librdkafka's and Polars' too)."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_rss_mib() -> float:
    """Largest resident memory so far; `ru_maxrss` would count the process that this one was forked from."""
    return _status_mib("VmHWM:")


def rss_mib() -> float:
    """Resident memory now."""
    return _status_mib("VmRSS:")


def _status_mib(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def run_pinned(module: str, core: int, options: Mapping[str, object]) -> Result:
    """Run `python -m module --key value ...` on one core and return the JSON on its last line.

    Raises:
        subprocess.CalledProcessError: When it fails; what it said stands on standard error.
    """
    arguments = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    command = ["taskset", "-c", str(core), sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def command_line(measure: Callable[[str, str, int], Result], arguments: Sequence[str] | None = None) -> None:
    """Command line of one measurement: prints its result as one line of JSON."""
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("--bootstrap", required=True, help="host:port of the broker")
    parser.add_argument("--topic", required=True, help="topic of MachineCycle records")
    parser.add_argument("--count", required=True, type=int, help="records in the topic")
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.bootstrap, options.topic, options.count)))
