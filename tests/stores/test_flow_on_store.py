"""A flow with its history on an object store, aborted and resumed while the store comes and goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.cli.history_settled import read_states
from millrace.errors import Misconfigured
from sinks.history.compact import compact
from sinks.history.manifest import read_manifest
from sinks.history.places import ObjectPath
from sinks.history.spool import Spool
from tests.flows.memory import Consumer, Script, run
from tests.flows.test_confirmations import cut, orders, plant, settings
from tests.servers.object_stores import ObjectStoreServer
from tests.stores.case import in_raw, seen
from tests.stores.spool_life import settle
from tests.unit.history_case import BEFORE, TOPIC


@pytest.fixture
def spools(monkeypatch: pytest.MonkeyPatch) -> list[Spool]:
    """Spools of the lives so far; an aborted life ends with its process, so a test has to end its threads."""
    made: list[Spool] = []
    resume = Spool.resume

    def noted(spool: Spool, writer: str, number: int) -> None:
        made.append(spool)
        resume(spool, writer, number)

    monkeypatch.setattr(Spool, "resume", noted)
    return made


def test_aborts_and_outages_leave_each_accepted_row_once(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer, spools: list[Spool]
) -> None:
    partitions, _ = plant(2)
    lanes = cut(partitions, 2)
    total = sum(len(batches) for batches in lanes)
    config = settings(history=root, history_spool=tmp_path / "spool")
    for number, stop in enumerate((total // 4, total // 5, total // 3, None)):
        if number == 1:
            server.link.cut()
        run(config, Script(lanes, orders(), stop), Consumer(), tmp_path / "state")
        if number == 1:
            for spool in spools:
                spool.close()
            spools.clear()
            server.link.heal()
        if number != 1:
            for spool in spools:
                settle(spool) if stop is None else spool.close()
            spools.clear()
            compact(root, TOPIC, BEFORE, read_states([tmp_path / "state"], [], 0).settled)
    sent = sorted({record["event_id"] for records in partitions for record in records})
    assert seen(root) == sent
    assert len(in_raw(root)) < len(sent)


def test_commands_take_the_place_of_a_store(root: ObjectPath, tmp_path: Path, spools: list[Spool]) -> None:
    partitions, _ = plant(2)
    config = settings(history=root, history_spool=tmp_path / "spool")
    run(config, Script(cut(partitions, 2), orders(), None), Consumer(), tmp_path / "state")
    for spool in spools:
        settle(spool)
        spool.close()
    sent = sorted({record["event_id"] for records in partitions for record in records})
    call = CliRunner().invoke
    marks = (tmp_path / "spool").glob("*.mark")
    retired = [part for mark in marks for part in ("--retired", mark.name.split("-")[1])]
    done = call(app, ["history", "compact", "--root", str(root), *retired, "--json"])
    assert json.loads(done.stdout)[0]["rows"] == len(sent)
    checked = call(app, ["history", "verify", "--root", str(root), "--json"])
    assert [(each["rows"], each["problems"]) for each in json.loads(checked.stdout)] == [(len(sent), [])]
    asked = call(app, ["query", "machine_cycle", "--root", str(root), "--csv"])
    assert asked.stdout.count("\n") == len(sent) + 1
    manifest = read_manifest(root, TOPIC)
    assert manifest is not None
    assert manifest["rows"] == len(sent)


def test_what_a_topic_is_complete_to_counts_once_the_store_has_it(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer, spools: list[Spool]
) -> None:
    partitions, _ = plant(2)
    config = settings(history=root, history_spool=tmp_path / "spool")
    server.link.cut()
    run(config, Script(cut(partitions, 2), orders(), None), Consumer(), tmp_path / "state")
    states = read_states([tmp_path / "state"], [], patience=0)
    assert set(states.numbers.values()) == {0}
    assert states.complete_up_to(TOPIC) is None
    for spool in spools:
        spool.close()


def test_a_history_on_a_store_needs_a_spool(root: ObjectPath) -> None:
    with pytest.raises((ValueError, Misconfigured), match="history_spool"):
        settings(history=root)
