"""A posting that takes several requests, one after the other, within one attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from sinks.erp.connector import Kind, Next, Verdict

#: No booking takes as many; a connector that goes on for ever must not keep its order for ever.
_LONGEST = 40


async def follow(first: Verdict, send: Callable[[Next], Awaitable[Verdict]]) -> Verdict:
    """Make the requests that the answers ask for, until one says what became of the posting.

    Once a verdict has `begun`, so has the last one: whatever it is, the ERP holds a part of the posting, and
    only a look-up may go on with it.

    Args:
        first: Verdict on the first answer; mostly it is the last.
        send: One exchange in an open session.
    """
    verdict, begun = first, first.begun
    for _ in range(_LONGEST):
        if verdict.next is None:
            return replace(verdict, begun=begun) if begun else verdict
        verdict = await send(verdict.next)
        begun = begun or verdict.begun
    return Verdict(Kind.UNKNOWN, reason="endless", detail=f"no end after {_LONGEST} requests", begun=begun)
