"""`millrace state` between two runs of a flow on a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from tests.integration.flow_process import BEGIN, FlowProcess, cycles
from tests.servers import Kafka

pytestmark = pytest.mark.server
MakeFlow = Callable[..., FlowProcess]
_numbers = count(1)


@pytest.fixture
def flow(kafka: Kafka, tmp_path: Path) -> Iterator[FlowProcess]:
    made = FlowProcess(kafka, tmp_path, f"state{next(_numbers)}", partitions=1, lanes=1)
    yield made
    made.close()


def state(folder: Path, command: str, *arguments: str) -> Any:
    told = ["--reason", "test", "--yes"] if command != "inspect" else []
    done = CliRunner().invoke(
        app, ["state", command, "--config", str(folder / "flow.yaml"), "--json", *told, *arguments]
    )
    return json.loads(done.stdout) if done.exit_code == 0 else done.exception


def offsets(folder: Path) -> dict[str, int]:
    """Offsets of the newest snapshot; none before there is a store."""
    found = state(folder, "inspect")
    return found["offsets"] if isinstance(found, dict) else {}


def test_offsets_moved_back_count_nothing_twice_and_moved_ahead_leave_out_what_is_skipped(
    flow: FlowProcess, tmp_path: Path
) -> None:
    place = f"{flow.topics['MachineCycle']}/0"
    flow.release("O1")
    flow.send("MachineCycle", cycles("M1", 1, 100))
    flow.start()
    flow.wait(lambda: flow.totals() == {"O1": 100}, "the first cycles")
    assert "the flow runs on this store" in str(state(tmp_path, "move-offsets", "--to", f"{place}=1"))
    assert flow.drain() == [0]
    assert state(tmp_path, "inspect")["offsets"][place] == 100
    assert "the log has offsets 0 to 100" in str(state(tmp_path, "move-offsets", "--to", f"{place}=101"))

    assert state(tmp_path, "move-offsets", "--to", f"{place}=40")["moves"][0]["after"] == 40
    flow.start()
    flow.wait(lambda: flow.read() == 160, "sixty cycles once more")
    assert flow.drain() == [0]
    assert flow.totals() == {"O1": 100}

    flow.send("MachineCycle", cycles("M1", 101, 50))
    state(tmp_path, "move-offsets", "--to", f"{place}=130")
    flow.start()
    flow.wait(lambda: flow.totals() == {"O1": 120}, "all but the thirty that were skipped")
    assert flow.drain() == [0]
    assert flow.read() == 180


def test_a_time_is_turned_into_the_offsets_of_its_first_records(flow: FlowProcess, tmp_path: Path) -> None:
    flow.release("O1")
    flow.send("MachineCycle", cycles("M1", 1, 30))
    flow.start()
    flow.wait(lambda: flow.totals() == {"O1": 30}, "the cycles")
    assert flow.drain() == [0]
    arguments = ("--topic", flow.topics["MachineCycle"], "--dry-run")
    stamp = "%Y-%m-%dT%H:%M:%S"
    before, after = BEGIN.strftime(stamp), (BEGIN + timedelta(days=2)).strftime(stamp)
    (back,) = state(tmp_path, "move-offsets", "--to-time", before, *arguments)["moves"]
    assert (back["before"], back["after"]) == (30, 0), "the topic was written after that hour"
    assert state(tmp_path, "move-offsets", "--to-time", after, *arguments)["moves"] == [], "the log's end"


def test_after_a_reset_the_flow_reads_all_again_and_ends_with_the_same_documents(
    flow: FlowProcess, tmp_path: Path
) -> None:
    flow.release("O1")
    flow.send("MachineCycle", cycles("M1", 1, 100))
    flow.start()
    flow.wait(lambda: flow.totals() == {"O1": 100}, "the cycles")
    assert flow.drain() == [0]
    copy = Path(state(tmp_path, "reset")["copy"])
    assert "no recovery store was made here" in str(state(tmp_path, "inspect"))
    flow.start()
    place = f"{flow.topics['MachineCycle']}/0"
    flow.wait(lambda: offsets(tmp_path).get(place) == 100, "all of them once more")
    assert flow.drain() == [0]
    assert flow.totals() == {"O1": 100}
    assert flow.dead_letters() == {}
    assert len(flow.history()["file"].unique()) == 2, "the history keeps what the former state wrote"
    assert (copy / "layout.json").exists()
