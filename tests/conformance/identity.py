"""A token endpoint, and a gate that lets requests with a valid token through to an ERP, in one transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qs

import httpx

ENDPOINT = "https://login.test/oauth2/token"
ISSUED = "issued-token-{number}-9f3a6c"
Respond = Callable[[], httpx.Response | Exception]


class Identity(httpx.AsyncBaseTransport):
    """Issues numbered tokens and refuses requests without the newest.

    Args:
        erp: What stands behind the gate.
        life: `expires_in` of the tokens, seconds.
    """

    def __init__(self, erp: httpx.AsyncBaseTransport, life: float | None = 3600) -> None:
        self.erp = erp
        self.life = life
        self.issued = 0
        self.asked: list[httpx.Request] = []
        self.refused = 0
        self.instead: list[Respond] = []
        self.valid: str | None = None

    def expire(self) -> None:
        """What was issued is worth nothing any more."""
        self.valid = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url == ENDPOINT:
            self.asked.append(request)
            await asyncio.sleep(0.01)  # others come meanwhile
            return self._issue()
        if request.headers.get("authorization") != f"Bearer {self.valid}":
            self.refused += 1
            return httpx.Response(401, content=b"<html>token expired</html>")
        return await self.erp.handle_async_request(request)

    def _issue(self) -> httpx.Response:
        if self.instead:
            answer = self.instead.pop(0)()
            if isinstance(answer, Exception):
                raise answer
            return answer
        self.issued += 1
        self.valid = ISSUED.format(number=self.issued)
        life = {} if self.life is None else {"expires_in": self.life}
        return httpx.Response(200, json={"access_token": self.valid, "token_type": "Bearer", **life})

    def forms(self) -> list[dict[str, list[str]]]:
        """What was asked with."""
        return [parse_qs(request.content.decode()) for request in self.asked]
