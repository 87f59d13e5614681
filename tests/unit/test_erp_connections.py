"""The poster's HTTP connections against a server on a real socket that says what a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sinks.erp.connections import Connections
from sinks.erp.connector import Answer
from sinks.erp.wire import AnswerTooLong, BrokenExchange, NotReachable
from tests.servers.streams import StreamServer

TRUST = ssl.create_default_context()
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Gives each request the next answer of a list.

    Args:
        answers: As they are sent.
        cut: Whether each answer ends its connection.
    """

    def __init__(self, *answers: bytes, cut: bool = False) -> None:
        self.answers, self.cut = list(answers), cut
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Connections]:
        async with StreamServer(self._serve) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            connections = Connections(lambda: TRUST, 5.0)
            try:
                async with asyncio.timeout(20):
                    yield connections
            finally:
                await connections.aclose()
                await server.served()  # whatever was sent is read

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while self.answers:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self.cut:
                    break
            else:
                await reader.read()


def run(call: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await call()

    asyncio.run(whole())


async def get(server: Server, wire: Connections, path: str = "/x", longest: int = 1000) -> Answer:
    return await wire.send("GET", server.url + path, {}, None, longest)


def test_a_path_is_sent_exactly_as_it_was_encoded() -> None:
    path = "/a%2Fb(%27x%27%27y%27)/..%2f?$filter=N%20eq%20%27%C3%A4%2B%27&e=~'%7E"

    async def meet() -> None:
        server = Server(OK)
        async with server.running() as wire:
            await get(server, wire, path)
        assert server.requests[0].split(b" ")[1] == path.encode()

    run(meet)


def test_a_body_goes_as_it_is_with_no_header_made_up_for_it() -> None:
    async def meet() -> None:
        server = Server(OK)
        async with server.running() as wire:
            await wire.send("POST", server.url + "/x", {"RequestID": "7"}, b"{}", 1000)
        head = server.requests[0].lower()
        assert (b"requestid: 7\r\n" in head, b"content-length: 2\r\n" in head, b"content-type" in head) == (
            True,
            True,
            False,
        )

    run(meet)


def test_a_connection_is_used_again() -> None:
    async def meet() -> None:
        server = Server(OK, OK, OK)
        async with server.running() as wire:
            answers = [await get(server, wire) for _ in range(3)]
        assert ([answer.body for answer in answers], server.connections) == ([b"ok"] * 3, 1)

    run(meet)


def test_a_redirect_is_an_answer_like_any_other() -> None:
    async def meet() -> None:
        server = Server(b"HTTP/1.1 307 Go\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", OK)
        async with server.running() as wire:
            answer = await get(server, wire)
        assert (answer.status, answer.headers["location"], len(server.requests)) == (307, "/elsewhere", 1)

    run(meet)


def test_cookies_come_back_as_they_were_given() -> None:
    async def meet() -> None:
        given = b"HTTP/1.1 200 OK\r\nset-cookie: S=a%3d+/b=; path=/\r\nset-cookie: T=2\r\ncontent-length: 0\r\n\r\n"
        server = Server(given, OK)
        async with server.running() as wire:
            answer = await get(server, wire)
            await get(server, wire)
            assert sorted(wire.cookies()) == ["2", "a%3d+/b="]
        assert answer.headers["set-cookie"] == "S=a%3d+/b=; path=/, T=2"
        assert b"S=a%3d+/b=" in server.requests[1]

    run(meet)


HALVES = {
    "no head": b"",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "half a body": b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{",
    "half a chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40\r\n{",
    "no HTTP": b"220 mail.test ESMTP\r\n\r\n",
    "not compressed": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_half_an_answer_is_a_broken_exchange_of_a_request_that_may_have_arrived(half: bytes) -> None:
    async def meet() -> None:
        server = Server(half, cut=True)
        async with server.running() as wire:
            with pytest.raises(BrokenExchange) as broken:
                await wire.send("POST", server.url + "/x", {}, b"{}", 1000)
        assert not isinstance(broken.value, NotReachable)
        assert len(server.requests) == 1

    run(meet)


@pytest.mark.parametrize("framing", [b"content-length: 500000", b"connection: close"])
def test_an_answer_that_is_cut_takes_its_connection_with_it(framing: bytes) -> None:
    async def meet() -> None:
        server = Server(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + b"x" * 5000, OK)
        async with server.running() as wire:
            with pytest.raises(AnswerTooLong):
                await get(server, wire)
            assert (await get(server, wire)).body == b"ok"
        assert server.connections == 2

    run(meet)


def test_a_port_that_nobody_listens_on_was_sent_nothing() -> None:
    async def meet() -> None:
        server = Server()
        async with server.running():
            pass
        wire = Connections(lambda: TRUST, 5.0)
        with pytest.raises(NotReachable):
            await get(server, wire)
        await wire.aclose()

    run(meet)


@pytest.mark.parametrize(("paused", "arrives"), [(0.0, True), (9.0, False)])
def test_a_request_whose_time_is_over_before_it_is_written_never_arrives(*, paused: float, arrives: bool) -> None:
    """As in a process that is stopped after it saw that its lease lasts, and goes on when another has the order."""

    async def meet() -> None:
        server = Server(OK)
        times = iter([100.0, 100.0 + paused])
        async with server.running():
            wire = Connections(lambda: TRUST, 5.0, 2.0, lambda: next(times))
            sent = wire.send("POST", server.url + "/x", {}, b"{}", 1000)
            if arrives:
                assert (await sent).body == b"ok"
            else:
                with pytest.raises(BrokenExchange, match="over before it was written"):
                    await sent
            await wire.aclose()
        assert len(server.requests) == arrives

    run(meet)


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")

    async def meet() -> None:
        server = Server(OK)
        async with server.running() as wire:
            assert (await get(server, wire)).status == 200

    run(meet)


def test_a_header_that_breaks_its_line_is_not_sent() -> None:
    async def meet() -> None:
        server = Server(OK)
        async with server.running() as wire:
            with pytest.raises(BrokenExchange):
                await wire.send("GET", server.url + "/x", {"A": "1\r\nX-Evil: 1"}, None, 1000)
        assert server.requests == []

    run(meet)
