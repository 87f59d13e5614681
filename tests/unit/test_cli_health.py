"""`millrace health` says in words why nobody answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from millrace.cli import health
from tests.servers.process import free_port


@contextmanager
def answering(with_what: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port that takes one connection."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection, suppress(ConnectionError):  # who asked may have gone
            connection.recv(1000)
            with_what(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(5)


def test_a_process_that_is_not_there_is_told_in_a_sentence() -> None:
    port = free_port()
    holds, why = health.ask(port, "/livez")
    assert not holds
    assert why == (
        f"/livez: nothing listens on port {port} of this machine: flow or poster has not come so far, has ended, "
        "or serves another metrics_port"
    )


def test_something_else_on_the_port_is_told_as_that() -> None:
    with answering(lambda connection: connection.sendall(b"220 mail ready\r\n")) as port:
        assert health.ask(port, "/livez") == (False, f"/livez: what listens on port {port} is no flow or poster")


def test_a_process_that_does_not_answer_is_told_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_TIMEOUT_S", 0.1)
    waiting = threading.Event()
    with answering(lambda _connection: waiting.wait(5)) as port:
        holds, why = health.ask(port, "/readyz")
        waiting.set()
    assert (holds, why) == (False, f"/readyz: port {port} took the question and gave no answer within 0.1 s")


def test_a_connection_that_is_cut_is_told_without_a_number() -> None:
    with answering(lambda connection: connection.shutdown(socket.SHUT_RDWR)) as port:
        holds, why = health.ask(port, "/readyz")
    assert not holds
    assert "Errno" not in why
    assert f"port {port}" in why
