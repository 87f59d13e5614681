"""Probes of real processes: a loop that stands still is found, waiting for another system is left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.monitoring.plant import ORDER, WatchedPlant
from tests.servers.process import free_port

STALL_S = 3.0


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[WatchedPlant]:
    made = WatchedPlant(tmp_path, flow={"stall_s": STALL_S}, poster={"stall_s": STALL_S, "lease_seconds": 8})
    made.start_broker()
    yield made
    made.close()


def holds_for_longer_than_a_stall(check: Callable[[], bool], seconds: float = 2 * STALL_S) -> bool:
    """Whether something holds at every look, for much longer than a stall may last."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not check():
            return False
        time.sleep(0.2)
    return True


def test_an_idle_flow_lives_and_one_that_stands_still_does_not(plant: WatchedPlant) -> None:
    """Started again, as an orchestrator does then, it goes on where it was."""
    plant.start_flow(failpoint="lane.before_snapshot@60:hang")
    plant.wait_ready()
    assert plant.command("health", "--port", str(plant.flow_port)).returncode == 0
    plant.wait(lambda: plant.probe("/livez") == 503, "the stall was not seen")
    told = plant.command("health", "--live", "--port", str(plant.flow_port))
    assert (told.returncode, "has not turned for" in told.stdout) == (1, True)
    assert plant.metric("millrace_loop_age_seconds") > STALL_S
    plant.start_flow()
    plant.wait_ready()
    assert holds_for_longer_than_a_stall(lambda: plant.probe("/livez") == 200)


def test_a_flow_whose_broker_is_gone_lives_and_tells_it(plant: WatchedPlant) -> None:
    child = plant.start_flow(publish=True)
    plant.wait_ready()
    plant.process("broker").kill()
    failed = 'millrace_source_failures_total{failure="_TRANSPORT",flow="confirmations"}'
    plant.wait(lambda: plant.metric(failed) > 0, "the outage was not told")
    assert holds_for_longer_than_a_stall(lambda: plant.probe("/livez") == 200)
    assert child.running


def test_a_flow_that_waits_for_its_ledger_lives_and_goes_on_afterwards(plant: WatchedPlant) -> None:
    plant.start_flow()
    plant.wait_ready()
    plant.piece()
    read = 'millrace_records{contract="MachineCycle",flow="confirmations",lane="lane-00",outcome="read"}'
    other = read.replace("lane-00", "lane-01")
    plant.wait(lambda: plant.metric(read) + plant.metric(other) >= 1, "the piece was not read")
    plant.hold_ledger()
    waits = 'millrace_waiting_seconds{waits_for="ledger"}'
    plant.wait(lambda: plant.metric(waits) > 2 * STALL_S, "the wait was not told")
    assert plant.metric("millrace_loop_age_seconds") > STALL_S
    assert plant.probe("/livez") == 200
    plant.release_ledger()
    plant.wait(lambda: plant.metric(waits) == 0, "it does not go on")


def test_a_poster_whose_erp_is_down_lives(plant: WatchedPlant) -> None:
    plant.start_erp()
    plant.start_flow(window="1s")
    poster = plant.start_poster()
    plant.wait_ready(plant.poster_port)
    plant.erp.order_fault("refuse", None)
    plant.release(ORDER)
    plant.piece(ago_s=30)
    plant.piece()
    plant.wait(lambda: plant.metric('millrace_breaker_open{erp="sandbox-erp"}', plant.poster_port) == 1, "breaker")
    assert holds_for_longer_than_a_stall(lambda: plant.probe("/livez", plant.poster_port) == 200, 12)
    assert poster.running
    plant.erp.clear_fault("refuse")
    booked = 'millrace_postings_total{erp="sandbox-erp",outcome="booked",tier="1"}'
    plant.wait(lambda: plant.metric(booked, plant.poster_port) > 0, "nothing was booked afterwards")


def test_a_poster_that_stands_still_does_not_live(plant: WatchedPlant) -> None:
    """The loop of the process hangs; the probe is answered by a thread of its own."""
    plant.start_erp()
    plant.start_flow(window="1s")
    plant.start_poster(failpoint="poster.before_outcome:hang")
    plant.wait_ready(plant.poster_port)
    plant.release(ORDER)
    plant.piece(ago_s=30)
    plant.piece()
    plant.wait(lambda: plant.probe("/livez", plant.poster_port) == 503, "the stall was not seen")


def test_in_a_cluster_only_the_process_that_stands_still_is_not_live(plant: WatchedPlant) -> None:
    """The other one is held up by it, and must not be restarted for that."""
    addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(2))
    plant.start_flow(process=0, addresses=addresses)
    plant.wait((plant.folder / "recovery" / "layout.json").exists, "process 0 makes no store")
    plant.start_flow(process=1, addresses=addresses, failpoint="lane.before_snapshot@20:hang")
    ports = plant.flow_port, plant.flow_port + 1
    plant.wait_ready(ports[0])
    plant.wait(lambda: plant.probe("/livez", ports[1]) == 503, "the stall was not seen")
    plant.wait(lambda: plant.metric("millrace_loop_age_seconds", ports[0]) > STALL_S, "the other one is not held up")
    assert plant.probe("/livez", ports[0]) == 200
    asked = ["health", "--live", "--port", str(ports[0])]
    assert [plant.command(*asked, "--processes", count).returncode for count in ("1", "2")] == [0, 1]
