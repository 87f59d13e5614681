"""A transport that plays a script of faults before or after the real exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

import httpx

Answer = httpx.Response | Exception
Predicate = Callable[[httpx.Request], bool]


class Faulty(httpx.AsyncBaseTransport):
    """Lets requests through unless a fault is due.

    Args:
        inner: The real way.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.requests: list[httpx.Request] = []
        self._script: list[tuple[Predicate, bool, Callable[[], Answer]]] = []

    def instead(self, which: Predicate, *answers: Callable[[], Answer]) -> None:
        """The next matching requests never reach the ERP."""
        self._script += [(which, False, answer) for answer in answers]

    def after(self, which: Predicate, *answers: Callable[[], Answer]) -> None:
        """The next matching requests reach the ERP, but their answer is this one."""
        self._script += [(which, True, answer) for answer in answers]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        due = next((entry for entry in self._script if entry[0](request)), None)
        if due is None:
            return await self.inner.handle_async_request(request)
        self._script.remove(due)
        _, reaches_erp, answer = due
        if reaches_erp:
            await (await self.inner.handle_async_request(request)).aread()
        return _raised(answer())


def _raised(answer: Answer) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    return answer


class Chunks(httpx.AsyncByteStream):
    """A body that comes in pieces and may break off."""

    def __init__(self, pieces: Iterable[bytes], error: Exception | None = None) -> None:
        self._pieces = pieces
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._error is not None:
            raise self._error
