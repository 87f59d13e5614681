"""What the posting channel needs of an HTTP client, and in which two ways an exchange fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sinks.erp.connector import Answer


class BrokenExchange(Exception):
    """The exchange broke off: the request may have arrived all the same."""


class NotReachable(BrokenExchange):
    """There was no connection: not a byte of the request was written."""


class AnswerTooLong(BrokenExchange):
    """The answer was cut at the limit, so it says nothing."""


class Wire(Protocol):
    """Carries requests of one system. It keeps cookies, follows no redirect and asks no variable for a proxy."""

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        longest: int,
        answering: Callable[[], None] | None = None,
    ) -> Answer:
        """Send once and read the answer to its end. Whoever calls bounds the time.

        Args:
            method: HTTP method.
            url: Whole address, percent-encoded; sent as it is.
            headers: All headers besides those of the transport itself.
            body: What to send; None for nothing.
            longest: Bytes of the decoded answer that are read at the most.
            answering: Called when the head of the answer has come, before its body is read.

        Raises:
            NotReachable: No connection could be made, nothing was sent.
            AnswerTooLong: The answer was cut.
            BrokenExchange: The exchange broke off otherwise.
        """
        ...

    def cookies(self) -> list[str]:
        """Values of the cookies that are kept."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
