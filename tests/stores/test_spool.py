"""The spool before an object store: nothing lost or doubled, the lane never waits for the store."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from millrace.errors import Misconfigured, Retriable
from sinks.dead_letter import alert_record
from sinks.history.compact import compact
from sinks.history.places import ObjectPath
from sinks.history.spool import Spool
from tests.servers.object_stores import ObjectStoreServer
from tests.stores.case import in_raw, seen
from tests.stores.spool_life import begun, epoch, ids_of, life, settle
from tests.unit.history_case import BEFORE, TOPIC


class Unpurged(Spool):
    """Forgets to remove what an earlier life uploaded."""

    def _purge(self) -> bool:
        return True


def test_files_reach_the_store_under_their_names_and_leave_the_spool(root: ObjectPath, tmp_path: Path) -> None:
    writer, spool, _ = begun(root, tmp_path, 8)
    settle(spool)
    assert in_raw(root) == ids_of(8)
    assert list((tmp_path / "spool").rglob("*.parquet")) == []
    assert writer.sync() == {"generation": "state1", "number": 24, "uploaded": 24}


def test_a_store_that_is_down_holds_nobody_up_and_gets_everything_later(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    server.link.cut()
    writer, spool, states = begun(root, tmp_path, 20)
    assert {state["uploaded"] for state in states} == {0}
    writer.admit()
    assert spool.files == 60
    server.link.heal()
    settle(spool)
    assert in_raw(root) == ids_of(20)


def test_a_full_spool_takes_no_batch_and_says_so_once(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    server.link.cut()
    writer, spool = life(root, tmp_path, room=25_000)
    writer.restore(None)
    told, number = [], 0
    while True:
        try:
            writer.admit()
        except Retriable:
            break
        epoch(writer, number)
        writer.sync()
        told += writer.notices()
        number += 1
    assert [each["kind"] for each in told] == ["history_spool_filling", "history_spool_full"]
    assert [each["severity"] for each in told] == ["WARNING", "CRITICAL"]
    assert writer.notices() == []
    server.link.heal()
    settle(spool)
    writer.admit()
    assert in_raw(root) == ids_of(number)
    assert alert_record(told[1], "confirmations")["kind"] == "history_spool_full"


def go_back(root: ObjectPath, folder: Path, kind: type[Spool]) -> list[str]:
    """A life uploads six epochs, the next goes on from the snapshot after two and cuts the same rows otherwise."""
    _, spool, states = begun(root, folder, 6)
    settle(spool)
    late, _ = life(root, folder)
    with pytest.raises(Misconfigured, match="another process"):
        late.restore(states[1])
    spool.close()
    second, spool = life(root, folder, kind)
    second.restore(states[1])
    for number in (5, 4, 3, 2):
        epoch(second, number)
    second.sync()
    settle(spool)
    return in_raw(root)


def test_what_was_uploaded_after_the_snapshot_is_removed_before_it_is_uploaded_again(
    root: ObjectPath, tmp_path: Path
) -> None:
    assert go_back(root, tmp_path, Spool) == ids_of(6)


def test_without_the_rule_of_numbers_rows_are_there_twice(root: ObjectPath, tmp_path: Path) -> None:
    """Negative control of the test above."""
    found = go_back(root, tmp_path, Unpurged)
    assert len(found) > len(set(found))
    assert sorted(set(found)) == ids_of(6)


def resume_twice(root: ObjectPath, folder: Path, server: ObjectStoreServer, *, keep_mark: bool) -> list[str]:
    """The store is down for the whole of the second life, whose state has gone on when the third begins."""
    _, spool, states = begun(root, folder, 6)
    settle(spool)
    spool.close()
    server.link.cut()
    second, spool = life(root, folder)
    second.restore(states[1])
    for number in (5, 4, 3, 2):
        epoch(second, number)
    state = second.sync()
    spool.close()
    server.link.heal()
    if not keep_mark:
        (folder / "spool" / "confirmations-state1-lane-00.mark").write_text("18")
    third, spool = life(root, folder)
    third.restore(state)
    settle(spool)
    return in_raw(root)


def test_what_a_life_could_not_remove_the_next_one_does(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    assert resume_twice(root, tmp_path, server, keep_mark=True) == ids_of(6)


def test_a_mark_that_is_not_lowered_leaves_rows_of_two_lives(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    """Negative control of the test above."""
    assert resume_twice(root, tmp_path, server, keep_mark=False) != ids_of(6)


def test_a_lost_spool_stops_the_flow_and_can_be_gone_on_without(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    writer, spool, _ = begun(root, tmp_path, 4)
    settle(spool)
    server.link.cut()
    epoch(writer, 4)
    state = writer.sync()
    spool.close()
    lost = tmp_path / "new"
    server.link.heal()
    later, spool = life(root, lost)
    with pytest.raises(Misconfigured, match=r"counts on 15 files.*is lost with its disk"):
        later.restore(state)
    spool.close()
    (lost / "spool" / "confirmations-state1-lane-00.lost").write_text("15\n")
    later, spool = life(root, lost)
    later.restore(state)
    epoch(later, 5)
    later.sync()
    settle(spool)
    assert in_raw(root) == sorted({*ids_of(6)} - {"E4-4", "E4-28", "E4-52"})


def test_a_file_that_is_missing_in_the_middle_is_named(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    server.link.cut()
    _, spool, [state] = begun(root, tmp_path, 1)
    spool.close()
    next((tmp_path / "spool").rglob("*-0000000001.parquet")).unlink()
    later, _ = life(root, tmp_path)
    with pytest.raises(Misconfigured, match="number 1 is neither here nor known to be"):
        later.restore(state)


def test_compaction_takes_only_what_the_store_has_for_good(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    writer, spool, _ = begun(root, tmp_path, 1)
    settle(spool)
    server.link.cut()
    epoch(writer, 1)
    state = writer.sync()
    server.link.heal()
    done = compact(root, TOPIC, BEFORE, lambda _: int(state["uploaded"]))
    assert done.rows == 3
    settle(spool)
    assert seen(root) == ids_of(2)
    assert compact(root, TOPIC, BEFORE, lambda _: int(writer.sync()["uploaded"])).rows == 3
    assert seen(root) == ids_of(2)


class Gated(Spool):
    """Uploads while the gate is open."""

    gate = threading.Event()

    def _upload(self) -> None:
        self.gate.wait()
        super()._upload()


def test_taking_what_only_the_spool_has_as_final_is_found_out(root: ObjectPath, tmp_path: Path) -> None:
    """Negative control of the test above: what is uploaded later looks as if it were in the day file."""
    Gated.gate.set()
    writer, spool, _ = begun(root, tmp_path, 1, Gated)
    settle(spool)
    Gated.gate.clear()
    epoch(writer, 1)
    state = writer.sync()
    compact(root, TOPIC, BEFORE, lambda _: int(state["number"]))
    Gated.gate.set()
    settle(spool)
    spool.close()
    try:
        found = seen(root)
    except Misconfigured:
        found = []
    assert found != ids_of(2)
