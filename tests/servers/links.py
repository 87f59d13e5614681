"""Links between processes that can be cut, delayed or silenced: what a test asks of a TCP proxy.

Two proxies offer it: `Toxiproxy`, a real one that needs Go to build, and `ThreadProxy`, which needs nothing.
"""

from __future__ import annotations

from typing import Protocol, Self


class Link(Protocol):
    """One address on 127.0.0.1 that leads to a server's; everything passes until it is told otherwise."""

    @property
    def name(self) -> str:
        """For messages and tables."""

    @property
    def port(self) -> int:
        """Where clients connect."""

    def cut(self) -> None:
        """Connections end at once and new ones are refused."""

    def delay(self, seconds: float) -> None:
        """Bytes arrive so much later, each way."""

    def blackhole(self) -> None:
        """Connections stay, new ones are taken, and not one byte arrives."""

    def heal(self) -> None:
        """Everything passes again; what a blackhole swallowed is not sent later, its connections end."""


class Proxies(Protocol):
    """Context manager of links."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def link(self, name: str, upstream: int) -> Link:
        """A new link to a port of 127.0.0.1, where nobody needs to listen yet."""
