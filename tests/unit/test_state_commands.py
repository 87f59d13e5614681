"""`millrace state` on a recovery store without a broker."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from dataflows.state import LAYOUT, prepare
from dataflows.state_change import BACKUPS, changes_of, empty
from dataflows.state_lock import alone, in_use
from dataflows.state_offsets import known_offsets, move, plan
from dataflows.state_report import inspect
from dataflows.state_store import finished, plain
from millrace.cli.app import app
from millrace.errors import Misconfigured
from tests.unit.state_case import MEMORY, OFFSETS, SNAP, dump, execute, make_store

ROOT = Path(__file__).parents[2]
MOVE = ("--to", "machine-cycle/0=120", "--to", "machine-cycle/1=310", "--reason", "records were sent again")


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["state", *arguments])


def said(*arguments: str) -> Any:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def backups(store: Path) -> list[Path]:
    return sorted((store / BACKUPS).glob("*")) if (store / BACKUPS).exists() else []


def test_inspect_tells_version_layout_offsets_sizes_and_what_is_held(tmp_path: Path) -> None:
    store = make_store(tmp_path / "state", lanes=2)
    found = said("inspect", "--recovery", str(store))
    assert (found["flow"], found["steps_version"], found["epoch"], found["workers"]) == ("confirmations", 2, 9, 2)
    assert found["layout"]["lanes"] == 2
    assert found["offsets"] == {f"{topic}/{partition}": at for (topic, partition), at in OFFSETS.items()}
    assert found["steps"]["confirmations.events"]["keys"] == 3
    assert found["held"] == {"held": 2, "waiting": 1}
    text = call("inspect", "--recovery", str(store)).output
    assert "2 held until their state is durable" in text
    assert "machine-cycle/1" in text


def test_a_state_with_times_of_any_zone_is_read() -> None:
    """As the prices and papers of requests have them."""
    known = {"at": datetime(2026, 3, 2, tzinfo=ZoneInfo("UTC")), "price": Decimal("1.5"), "rows": [1]}
    assert plain(pickle.dumps(known))["rows"] == [1]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("nowhere", "there is no such folder"),
        ("empty", "no recovery store was made here by `millrace run`"),
        ("file", "is a file; a recovery store is a folder"),
        ("folder", "cannot be read: Is a directory"),
        ("text", "layout.json:2: is no JSON any more (Expecting value); the copies in backups have it"),
        ("database", "is no readable recovery store: file is not a database"),
    ],
)
def test_what_cannot_be_inspected_is_told_in_a_sentence(broken: str, told: str, tmp_path: Path) -> None:
    store = tmp_path / "state"
    if broken == "file":
        store.write_text("")
    elif broken != "nowhere":
        make_store(store)
    if broken in ("empty", "folder"):
        (store / LAYOUT).unlink()
    if broken == "folder":
        (store / LAYOUT).mkdir()
    if broken == "text":
        (store / LAYOUT).write_text('{"flow":\n}')
    if broken == "database":
        for part in store.glob("part-*"):
            part.write_bytes(b"x" * 4096)
    failure = call("inspect", "--recovery", str(store)).exception
    assert isinstance(failure, Misconfigured)
    assert told in str(failure)
    assert "Errno" not in str(failure)


def test_inspect_changes_nothing_and_works_while_the_flow_runs(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    before = dump(store)
    with in_use(store):
        inspect(store)
    assert dump(store) == before


def test_inspect_runs_nothing_that_a_store_from_elsewhere_may_hold(tmp_path: Path) -> None:
    """The control: the engine's way of reading would run it."""
    store = make_store(tmp_path / "state")
    trap = tmp_path / "run"
    row = finished(store, "%.events")[0]

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(trap),)

    pack = pickle.dumps({"positions": {}, "lane": Evil()})
    execute(row.part, SNAP, (row.step, "lane-09", 8, pack))
    inspect(store)
    assert not trap.exists()
    pickle.loads(pack)  # noqa: S301
    assert trap.exists()


def test_a_dry_run_changes_nothing_and_says_what_would_move(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    before = dump(store)
    found = said("move-offsets", "--recovery", str(store), *MOVE, "--dry-run")
    assert [(m["topic"], m["partition"], m["before"], m["after"]) for m in found["moves"]] == [
        ("machine-cycle", 0, 500, 120),
        ("machine-cycle", 1, 300, 310),
    ]
    assert said("reset", "--recovery", str(store), "--reason", "x", "--dry-run")["copy"] is None
    assert dump(store) == before
    assert backups(store) == []


def test_moved_offsets_are_where_the_flow_goes_on_and_its_memory_stays(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    found = said("move-offsets", "--recovery", str(store), *MOVE, "--yes")
    wanted = {**OFFSETS, ("machine-cycle", 0): 120, ("machine-cycle", 1): 310}
    assert known_offsets(store) == wanted
    assert all(plain(row.packed)["lane"] == MEMORY for row in finished(store, "%.events"))
    assert known_offsets(Path(found["copy"])) == OFFSETS, "the copy is a store with the former offsets"
    (entry,) = inspect(store).changes
    assert (entry["what"], entry["reason"]) == ("move-offsets", "records were sent again")
    assert entry["moves"][0] == {"place": "machine-cycle/0", "from": 500, "to": 120}


def test_an_unfinished_epoch_with_the_former_offsets_does_not_come_back(tmp_path: Path) -> None:
    """Its row is of epoch 9, at which the flow goes on: left there, a later run could take it for the newest."""
    store = make_store(tmp_path)
    assert any(".events" in line and "'lane-01',9," in line for lines in dump(store).values() for line in lines)
    move(store, plan(store, {("machine-cycle", 1): 310}, {}), "x")
    assert not any("'lane-01',9," in line for lines in dump(store).values() for line in lines)


def test_moving_to_where_it_stands_does_nothing(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    found = said("move-offsets", "--recovery", str(store), "--to", "machine-cycle/0=500", "--reason", "x", "--yes")
    assert (found["moves"], found["copy"]) == ([], None)
    assert backups(store) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--to", "machine-cycle/7=1"), "the state has no offset of it; it has: machine-cycle/0"),
        (("--to", "machine-cycle=1"), "expected TOPIC/PARTITION=OFFSET"),
        (("--to", "machine-cycle/0=-1"), "expected TOPIC/PARTITION=OFFSET"),
        (("--to-time", "2026-03-02T06:00:00"), "give --config with kafka"),
        ((), "give one of the two"),
    ],
)
def test_a_move_that_means_nothing_is_refused(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    store = make_store(tmp_path)
    done = call("move-offsets", "--recovery", str(store), "--reason", "x", "--yes", *arguments)
    assert isinstance(done.exception, Misconfigured)
    assert told in str(done.exception)


def test_an_offset_that_the_log_does_not_hold_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    place = ("machine-cycle", 0)
    with pytest.raises(Misconfigured, match="machine-cycle/0: the log has offsets 200 to 600, not 120"):
        plan(store, {place: 120}, {place: (200, 600)})
    assert plan(store, {place: 200}, {place: (200, 600)})[0].again == 300


@pytest.mark.parametrize("command", [("reset",), ("move-offsets", "--to", "machine-cycle/0=1")])
def test_a_store_whose_flow_runs_is_not_changed(tmp_path: Path, command: tuple[str, ...]) -> None:
    store = make_store(tmp_path)
    before = dump(store)
    with in_use(store), in_use(store):
        done = call(*command, "--recovery", str(store), "--reason", "x", "--yes")
    assert "the flow runs on this store" in str(done.exception)
    assert dump(store) == before


def test_a_flow_does_not_start_while_a_command_changes_its_store(tmp_path: Path) -> None:
    with alone(make_store(tmp_path)), pytest.raises(Misconfigured, match="state` command works"), in_use(tmp_path):
        pass


@pytest.mark.parametrize("command", [("reset",), ("move-offsets", "--to", "machine-cycle/0=1")])
def test_without_a_yes_nothing_happens(tmp_path: Path, command: tuple[str, ...]) -> None:
    store = make_store(tmp_path)
    before = dump(store)
    done = CliRunner().invoke(app, ["state", *command, "--recovery", str(store), "--reason", "x"], input="n\n")
    assert done.exit_code == 1
    assert dump(store) == before


def test_a_reset_says_what_it_means_and_keeps_a_copy_that_can_be_put_back(tmp_path: Path) -> None:
    store = make_store(tmp_path / "state")
    before, state = dump(store), inspect(store).state
    done = call("reset", "--recovery", str(store), "--reason", "moved to another cluster", "--yes")
    assert done.exit_code == 0
    assert "nothing is booked twice" in done.output
    assert state in done.output
    assert not (store / LAYOUT).exists()
    (copy,) = backups(store)
    assert dump(copy) == before
    prepare(store, 2, {}, 0)
    assert json.loads((store / LAYOUT).read_text())["state"] != state, "history of the new state has other names"
    assert [entry["reason"] for entry in changes_of(store)] == ["moved to another cluster"]


KILLED = """
import sys
from pathlib import Path
from dataflows.state_change import empty
from dataflows.state_offsets import move, plan
store = Path(sys.argv[2])
if sys.argv[1] == "reset":
    empty(store, "x")
else:
    move(store, plan(store, {("machine-cycle", 0): 120, ("machine-cycle", 1): 310}, {}), "x")
"""


def killed(what: str, store: Path, point: str) -> None:
    """Do it in a process that dies at a fail point."""
    environment = {**os.environ, "MILLRACE_FAILPOINT": point, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, what, str(store)], env=environment, check=False)
    assert done.returncode == -9


@pytest.mark.parametrize("point", ["state.before_rename", "state.before_reset", "state.between_files"])
def test_a_reset_that_was_killed_is_finished_by_the_next_one(tmp_path: Path, point: str) -> None:
    store = make_store(tmp_path)
    before = dump(store)
    killed("reset", store, point)
    assert (store / LAYOUT).exists(), "a start in between never takes the old state for a new one"
    copy = empty(store, "x")
    assert dump(copy) == before
    assert not (store / LAYOUT).exists()
    assert dump(store) == {}


def test_a_move_that_was_killed_between_two_files_is_finished_by_the_next_one(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    killed("move", store, "state.between_lanes")
    assert known_offsets(store) == {**OFFSETS, ("machine-cycle", 0): 120}
    wanted = {("machine-cycle", 0): 120, ("machine-cycle", 1): 310}
    move(store, plan(store, wanted, {}), "x")
    assert known_offsets(store) == {**OFFSETS, **wanted}


@pytest.mark.parametrize("name", ["inspect", "reset", "move-offsets"])
def test_a_folder_without_a_store_is_named(tmp_path: Path, name: str) -> None:
    more = {"inspect": [], "reset": ["--reason", "x"], "move-offsets": ["--reason", "x", "--to", "a/0=1"]}[name]
    done = call(name, "--recovery", str(tmp_path / "none"), *more)
    assert isinstance(done.exception, Misconfigured)
    assert str(tmp_path / "none") in str(done.exception)
