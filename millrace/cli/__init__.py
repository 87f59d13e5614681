"""Command line of Millrace: `millrace run | post | status | trace | mapping | contracts | demo`."""

from millrace.cli.app import main

__all__ = ["main"]
