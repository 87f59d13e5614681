"""What a service says about itself, read once before the first posting of a driver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from millrace.errors import Misconfigured
from sinks.erp.connector import Answer, Connector, Describing, Description, Kind, Request, Verdict

#: Sends a request outside any session and reads its answer.
Exchange = Callable[[Request, Mapping[str, str], Callable[[Answer], Verdict]], Awaitable[Verdict]]
log = structlog.get_logger("millrace.post")


async def described(connector: Connector, exchange: Exchange, system: str) -> Connector | Verdict:
    """The connector that goes by the service's description, or why there is none; nothing was booked by asking.

    A connector without a description is returned as it is. What it would send and the service does not know is logged,
    in one line.
    """
    request = connector.describe() if isinstance(connector, Describing) else None
    if request is None or not isinstance(connector, Describing):
        return connector
    reader = _Reader(connector)
    verdict = await exchange(request, {}, reader.read)
    if reader.found is None:
        return verdict
    if reader.found.unknown:
        log.warning("fields_left_out", system=system, fields=list(reader.found.unknown))
    return reader.found.connector


class _Reader:
    def __init__(self, connector: Describing) -> None:
        self._connector = connector
        self.found: Description | None = None

    def read(self, answer: Answer) -> Verdict:
        if answer.status >= 400:
            detail = f"HTTP {answer.status} instead of a description: service, permission or address is wrong"
            return Verdict(Kind.MISCONFIGURED, reason=f"http_{answer.status}", detail=detail)
        try:
            self.found = self._connector.described(answer)
        except Misconfigured as error:
            return Verdict(Kind.MISCONFIGURED, reason="service_unfit", detail=str(error))
        if self.found is None:
            return Verdict(Kind.RETRY, reason="no_description", detail="answer describes no service", outage=True)
        return Verdict(Kind.ABSENT)
