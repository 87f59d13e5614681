"""`millrace run --processes`: the processes of a flow start and end together; the death of one loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.cli.run_together import wanted
from sandbox.demo_process import Child
from tests.monitoring.plant import WatchedPlant

#: Several times what was measured on two cores under load: a test machine may be slower still.
LONGEST_END_S, LONGEST_RECOVERY_S = 10.0, 60.0
READ = 'millrace_records{contract="MachineCycle",flow="confirmations",lane="lane-0%d",outcome="accepted"}'


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[WatchedPlant]:
    made = WatchedPlant(tmp_path)
    made.start_broker()
    yield made
    made.close()


def start(plant: WatchedPlant) -> Child:
    config = plant.flow_file()
    flow = plant.child("flow", "-m", "millrace", "run", "confirmations", "--config", config, "--processes", "2")
    flow.start()
    for port in (plant.flow_port, plant.flow_port + 1):
        plant.wait_ready(port)
    return flow


def children(flow: Child) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{flow.pid}/task/{flow.pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", [0, 1])
def test_when_one_process_is_killed_none_is_left_and_the_next_start_goes_on(plant: WatchedPlant, number: int) -> None:
    """The seconds are those of docs/kubernetes.md, "Seconds to recover"; `pytest -rP` shows them."""
    flow = start(plant)
    plant.pieces(50)
    both = children(flow)
    assert len(both) == 2
    killed = time.monotonic()
    os.kill(both[number], signal.SIGKILL)
    plant.wait(lambda: flow.exit_status is not None, "the parent did not end")
    ended = time.monotonic() - killed
    assert flow.exit_status == 128 + signal.SIGKILL
    assert not [pid for pid in both if alive(pid)]
    start(plant)
    ready = time.monotonic() - killed
    sys.stdout.write(f"{ended:.1f} s until both had ended, {ready:.1f} s until both were ready\n")
    assert ended < LONGEST_END_S
    assert ready < LONGEST_RECOVERY_S
    plant.pieces(50)
    plant.wait(lambda: accepted(plant) == 100, "the rest was not read")


def accepted(plant: WatchedPlant) -> float:
    ports = (plant.flow_port, plant.flow_port + 1)
    return sum(plant.metric(READ % lane, port) for lane in (0, 1) for port in ports)


def test_sigterm_drains_all_of_them(plant: WatchedPlant) -> None:
    flow = start(plant)
    both = children(flow)
    assert flow.stop() == 0
    assert not [pid for pid in both if alive(pid)]


def test_the_kernel_ends_them_with_a_parent_that_is_killed(plant: WatchedPlant) -> None:
    flow = start(plant)
    both = children(flow)
    flow.kill()
    plant.wait(lambda: not [pid for pid in both if alive(pid)], "an orphan goes on")


def test_wrong_settings_end_it_with_their_sentence(tmp_path: Path) -> None:
    config = tmp_path / "flow.yaml"
    config.write_text(f"recovery: {tmp_path / 'recovery'}\nlains: 2\n")
    command = [sys.executable, "-m", "millrace", "run", "confirmations", "--config", str(config), "--processes=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, f"{config}:2: lains" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("line", "processes"),
    [
        ("run confirmations --processes 3", 3),
        ("run --processes=2 confirmations", 2),
        ("run confirmations", 1),
        ("run confirmations --processes two", 1),
        ("run confirmations --processes 2 --process 1", 1),
        ("run confirmations --processes 2 --input a.csv", 1),
        ("status --processes 2", 1),
    ],
)
def test_only_a_flow_on_kafka_is_run_by_several(line: str, processes: int) -> None:
    """What is not for the parent goes to the command itself, which says what is wrong."""
    assert wanted(line.split()) == processes
