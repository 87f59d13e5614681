"""Verdicts of probes, and the port that tells them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from millrace.errors import Misconfigured
from millrace.health import Health
from millrace.health_server import HealthServer
from millrace.shutdown import draining
from tests.servers.process import free_port


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    made = Health(clock)
    made.begin("flow", 60)
    return made


def test_nothing_assigned_is_live_and_not_ready(health: Health) -> None:
    assert health.live().holds
    assert not health.ready().holds


def test_ready_is_when_every_worker_has_turned(health: Health) -> None:
    health.opened("lane-00")
    health.opened("lane-01")
    health.turned("lane-00")
    assert health.ready().why == "not at work yet: lane-01"
    health.turned("lane-01")
    assert health.ready().holds


def test_a_worker_that_is_expected_counts_before_it_exists() -> None:
    made = Health()
    made.begin("poster", 60, expected=["s4"])
    assert not made.ready().holds


@pytest.mark.parametrize(("seconds", "live"), [(0.0, True), (60.0, True), (61.0, False)])
def test_live_is_as_long_as_the_oldest_turn_is_not_too_old(
    health: Health, clock: Clock, seconds: float, live: bool
) -> None:
    health.turned("lane-00")
    clock.now = seconds
    health.turned("lane-01")
    assert health.live().holds is live
    assert health.loop_age() == seconds


def test_a_wait_that_blocks_is_no_stall_and_one_that_does_not_excuses_nothing(health: Health, clock: Clock) -> None:
    health.turned("lane-00")
    health.waits("registry", blocks=False)
    clock.now = 100
    assert not health.live().holds
    health.waits("ledger")
    assert health.live().why == "waits for ledger"
    assert (health.waited("registry"), health.waited("ledger")) == (100, 0)
    health.goes_on("ledger")
    assert not health.live().holds


def test_a_worker_that_has_ended_is_not_missed(health: Health, clock: Clock) -> None:
    health.turned("lane-00")
    health.ended("lane-00")
    clock.now = 100
    assert health.live().holds


def test_in_a_cluster_a_worker_counts_only_while_it_is_inside_a_step(clock: Clock) -> None:
    """A thread that waits in the engine for another process has no Python code to be in."""
    made = Health(clock)
    made.begin("flow", 60, alone=False)
    ended = threading.Thread(target=lambda: made.turned("lane-00"))
    ended.start()
    ended.join()
    clock.now = 100
    assert made.live().holds
    made.turned("lane-01")  # on this thread, which is inside a step: this test
    clock.now = 200
    assert made.live().why.startswith("lane-01 has not turned")


def test_a_process_that_is_being_drained_lives_and_takes_nothing_new(health: Health) -> None:
    health.turned("lane-00")
    draining.set()
    try:
        assert (health.live().holds, health.ready().holds) == (True, False)
    finally:
        draining.clear()
    health.leaving()
    assert not health.ready().holds


@pytest.fixture
def port(health: Health) -> Iterator[int]:
    number = free_port()
    server = HealthServer(number, health)
    server.start()
    yield number
    server.shutdown()
    server.server_close()


def test_probes_answer_by_status_and_say_why(port: int, health: Health) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "nothing is assigned yet\n")
        health.turned("lane-00")
        assert [client.get(path).status_code for path in ("/readyz?verbose", "/livez", "/", "/../etc")] == [
            200, 200, 404, 404
        ]  # fmt: skip


def test_metrics_are_openmetrics_where_they_are_asked_for(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        plain = client.get("/metrics")
        asked = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert asked.headers["content-type"].startswith("application/openmetrics-text")
    assert asked.text.endswith("# EOF\n")


def test_a_port_that_is_taken_is_refused_in_one_sentence() -> None:
    with socket.create_server(("", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"metrics_port: port {number} cannot be served"):
            HealthServer(number)
