"""Command line of Millrace: `millrace run | post | status | trace | mapping | contracts | demo`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script; a probe does not wait for what the other commands import."""
    if sys.argv[1:2] == ["health"]:
        from millrace.cli import health  # noqa: PLC0415 - the point of it

        del sys.argv[1]
        health.main()
    else:
        from millrace.cli import app  # noqa: PLC0415

        app.main()
