"""The proxies that stand between the processes of the crash test."""

from __future__ import annotations

import gc
import shutil
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.servers import Kafka
from tests.servers.links import Link, Proxies
from tests.servers.process import free_port
from tests.servers.thread_proxy import ThreadProxy
from tests.servers.toxiproxy import Toxiproxy

BIG = b"x" * 3_000_000


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture(params=["thread", pytest.param("toxiproxy", marks=pytest.mark.server)])
def proxies(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxies]:
    if request.param == "toxiproxy" and shutil.which("go") is None:
        pytest.skip("Install Go to build toxiproxy; without it the crash test uses its own proxy.")
    proxy: Proxies = ThreadProxy() if request.param == "thread" else Toxiproxy(tmp_path)
    with proxy as proxies:
        yield proxies


@pytest.fixture
def link(proxies: Proxies) -> Iterator[Link]:
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield proxies.link("echo", server.server_address[1])
        server.shutdown()


def connect(link: Link, timeout: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=timeout)


def echoed(connection: socket.socket, data: bytes = b"ping") -> bytes:
    threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
    answer = b""
    while len(answer) < len(data) and (chunk := connection.recv(65_536)):
        answer += chunk
    return answer


def test_a_link_passes_everything_both_ways(link: Link) -> None:
    with closing(connect(link)) as connection:
        assert echoed(connection, BIG) == BIG


def test_a_cut_ends_connections_and_refuses_new_ones_until_it_is_healed(link: Link) -> None:
    with closing(connect(link)) as connection:
        assert echoed(connection) == b"ping"
        link.cut()
        assert not ends_quietly(connection)
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, by the proxy
        connect(link)
    link.heal()
    with closing(connect(link)) as connection:
        assert echoed(connection) == b"ping"


def ends_quietly(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""


def test_a_blackhole_swallows_what_is_sent_and_keeps_the_connection(link: Link) -> None:
    link.blackhole()
    with closing(connect(link, timeout=0.5)) as connection:
        with pytest.raises(TimeoutError):
            echoed(connection)
        link.heal()
        assert not ends_quietly(connection), "a stream with a hole in it went on"
    with closing(connect(link)) as connection:
        assert echoed(connection) == b"ping"


def test_a_delay_holds_bytes_back_and_loses_none(link: Link) -> None:
    link.delay(0.6)
    with closing(connect(link, timeout=0.3)) as connection:
        with pytest.raises(TimeoutError):
            echoed(connection)
        connection.settimeout(10)
        assert connection.recv(4) == b"ping"
    link.heal()


@pytest.mark.server
def test_a_broker_sends_the_clients_of_a_link_back_to_the_link(tmp_path: Path) -> None:
    """Else a client would go round the proxy after its first question."""
    behind = free_port()
    with ThreadProxy() as proxies:
        link = proxies.link("broker", behind)
        with Kafka(tmp_path, heap="256m", link=(link.port, behind)) as kafka:
            brokers = AdminClient({"bootstrap.servers": f"127.0.0.1:{link.port}"}).list_topics(timeout=20).brokers
            assert {broker.port for broker in brokers.values()} == {link.port}
            assert f"127.0.0.1:{link.port}" != kafka.bootstrap


def test_who_is_reset_at_one_end_is_cut_off_at_the_other(proxies: Proxies) -> None:
    """Else a client would wait for the answer of a server that was killed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = proxies.link("reset", server.getsockname()[1])
        with closing(connect(link)) as connection:
            connection.sendall(b"ping")
            accepted, _ = server.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
            assert not ends_quietly(connection)


def test_a_proxy_that_ends_while_clients_come_leaves_no_socket_open() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf, ExitStack() as clients:  # connecting takes long
        for _ in range(20):
            with ThreadProxy() as proxy:
                link = proxy.link("deaf", deaf.getsockname()[1])
                for _ in range(8):
                    clients.enter_context(connect(link))
        gc.collect()  # an open one fails the test, as every warning does
