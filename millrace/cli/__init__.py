"""Command line of Millrace: `millrace run | post | status | trace | mapping | contracts | demo`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script; what is started often does without what the other commands import."""
    if sys.argv[1:2] == ["health"]:
        from millrace.cli import health  # noqa: PLC0415 - the point of it

        del sys.argv[1]
        health.main()
    elif (processes := _processes(sys.argv[1:])) > 1:
        from millrace.cli import run_together  # noqa: PLC0415

        sys.exit(run_together.run_together(processes, sys.argv[1:]))
    elif sys.argv[1:2] in (["run"], ["post"]):
        from millrace.cli import alone  # noqa: PLC0415

        {"run": alone.run, "post": alone.post}[sys.argv[1]]()
    else:
        from millrace.cli import app  # noqa: PLC0415

        app.main()


def _processes(arguments: list[str]) -> int:
    if not any(each.startswith("--processes") for each in arguments):
        return 1
    from millrace.cli import run_together  # noqa: PLC0415

    return run_together.wanted(arguments)
