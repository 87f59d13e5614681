"""The tests' server of streams leaves nothing open: what does fails whichever test runs when it is collected."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from contextlib import ExitStack, suppress

import pytest
import trustme

from tests.conformance.tls_erp import server_context
from tests.servers.streams import StreamServer


async def _sink(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return server_context(trustme.CA())


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
def test_a_server_that_ends_while_clients_come_leaves_no_connection_open(
    tls: ssl.SSLContext, steps: int, *, secured: bool
) -> None:
    """In each of the loop's steps: asyncio's own server leaks in some of them."""

    async def meet() -> None:
        with ExitStack() as clients:
            async with StreamServer(_sink, tls=tls if secured else None) as server:
                for _ in range(3):
                    client = clients.enter_context(socket.socket())
                    client.setblocking(False)
                    with suppress(BlockingIOError):
                        client.connect(("127.0.0.1", server.port))
                for _ in range(steps):
                    await asyncio.sleep(0)

    asyncio.run(meet())
    gc.collect()  # an open one fails the test, as every warning does


def test_all_that_was_sent_is_read_before_a_server_has_served() -> None:
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())

    async def meet() -> None:
        async with StreamServer(hear) as server:
            for number in range(3):
                with socket.create_connection(("127.0.0.1", server.port)) as client:
                    client.sendall(b"%d" % number)
            await server.served()

    asyncio.run(meet())
    assert sorted(heard) == [b"0", b"1", b"2"]
