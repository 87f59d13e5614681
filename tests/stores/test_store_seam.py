"""The seam between the history and an object store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import polars as pl
import pytest

from millrace.errors import Misconfigured, Retriable
from sinks.history.compact import compact
from sinks.history.copies import chunks, local
from sinks.history.manifest import read_manifest, write_manifest
from sinks.history.places import ObjectPath, located
from sinks.history.reading import plan
from sinks.history.store import (
    below,
    draft,
    files,
    look,
    publish,
    read_bytes,
    remove,
    scan,
    subfolders,
    upload,
    write,
)
from sinks.history.verify import verify
from sinks.history.zones import DAY_FILE, DAYS, folders, topics
from tests.servers.object_stores import ObjectStoreServer
from tests.stores.case import in_raw, put_tree, seen
from tests.unit.history_case import BEFORE, TOPIC, fill


def test_names_are_joined_and_taken_apart_as_those_of_a_folder() -> None:
    place = located("s3://plant/a/b/")
    assert isinstance(place, ObjectPath)
    deeper = place / "c" / "x.parquet"
    assert (str(deeper), deeper.name, deeper.stem) == ("s3://plant/a/b/c/x.parquet", "x.parquet", "x")
    assert deeper.parent.parent == place
    assert deeper.relative_to(place) == Path("c/x.parquet")
    assert located("/var/history") == Path("/var/history")


@pytest.mark.parametrize("text", ["ftp://plant/a", "s3:///a", "s3://plant/a?x=1", "s3://key:secret@plant/a"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="expected a folder"):
        located(text)


def test_a_plant_of_any_name_keeps_its_folder(root: ObjectPath) -> None:
    for name in ("plant=P%201", "plant=..%2F..%2Fetc", "plant=W%C3%A4rk"):
        write(root / "t" / name / "date=2026-03-01" / "x.parquet", b"1")
    assert [day.plant for day in folders(root, "t").values()] == ["../../etc", "P 1", "Wärk"]
    assert topics(root) == ["t"]
    assert [each.name for each in subfolders(root / "t")] == ["plant=..%2F..%2Fetc", "plant=P%201", "plant=W%C3%A4rk"]
    assert len(below(root, ".parquet")) == 3


def test_what_is_not_there_is_none_and_may_be_removed(root: ObjectPath) -> None:
    assert look(root / "nothing") is None
    assert files(root / "nothing") == []
    remove(root / "nothing")
    with pytest.raises(FileNotFoundError):
        read_bytes(root / "nothing")


def test_a_version_that_was_replaced_meanwhile_is_not_replaced_again(root: ObjectPath) -> None:
    target = root / "day.parquet"
    with draft(target) as partial:
        partial.write_bytes(b"first")
        publish(partial, target, None)
    known = look(target)
    write(target, b"somebody else's")
    for over in (known, None):
        with draft(target) as partial:
            partial.write_bytes(b"second")
            with pytest.raises(Retriable, match="replaced meanwhile"):
                publish(partial, target, over)
    assert read_bytes(target) == b"somebody else's"
    with draft(target) as partial:
        partial.write_bytes(b"second")
        publish(partial, target, look(target))
    assert read_bytes(target) == b"second"


@pytest.mark.parametrize("from_size", [1_000_000, 500_000_000], ids=["in parts", "at once"])
def test_a_large_file_arrives_whole(
    root: ObjectPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_size: int
) -> None:
    monkeypatch.setattr("sinks.history.store.IN_PARTS_FROM", from_size)
    big = tmp_path / "x" / "big.parquet"
    big.parent.mkdir()
    big.write_bytes(bytes(range(256)) * 50_000)
    put_tree(tmp_path, root)
    assert read_bytes(root / "x" / "big.parquet") == big.read_bytes()


def test_a_file_is_read_in_parts_and_copied_whole(root: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.history.copies._CHUNK", 100_000)
    content, target = bytes(range(256)) * 5_000, root / "day.parquet"
    write(target, content)
    parts = list(chunks(target))
    assert b"".join(parts) == content
    assert len(parts) > 2
    with local(target) as copy:
        write(target, b"somebody else's")
        assert copy.read_bytes() == content
    assert not copy.exists()
    with pytest.raises(FileNotFoundError):
        list(chunks(root / "nothing"))


def test_compaction_verification_and_manifest_work_as_in_a_folder(root: ObjectPath, tmp_path: Path) -> None:
    everything = fill(tmp_path)
    put_tree(tmp_path, root)
    assert seen(root) == in_raw(root) == everything
    done = compact(root, TOPIC, BEFORE, lambda _: 10**9)
    assert (done.days, done.rows, done.removed) == (3, 144, 24)
    assert seen(root) == everything
    manifest = write_manifest(root, TOPIC, None)
    assert read_manifest(root, TOPIC) == manifest
    assert (manifest["rows"], manifest["waiting_files"]) == (144, 8)
    checked = verify(root, TOPIC)
    assert (checked.rows, checked.problems) == (192, [])
    rows = scan(plan(root, TOPIC).files, hive_schema={"plant": pl.String, "date": pl.String}).collect()
    assert rows.height == 192
    assert rows["plant"].unique().to_list() == ["P1"]


def test_damaged_files_are_found_and_named(root: ObjectPath, tmp_path: Path) -> None:
    fill(tmp_path)
    put_tree(tmp_path, root)
    compact(root, TOPIC, BEFORE, lambda _: 10**9)
    write_manifest(root, TOPIC, None)
    day, other, gone = (root / DAYS / TOPIC / "plant=P1" / f"date=2026-03-0{n}" / DAY_FILE for n in (1, 2, 3))
    bytes_of = bytearray(read_bytes(day))
    bytes_of[100] ^= 1
    write(day, bytes(bytes_of))
    write(other, read_bytes(other)[:-10])
    remove(gone)
    raw = below(root / TOPIC, ".parquet")[0].path
    write(raw, b"PAR1 nothing")
    problems = "\n".join(verify(root, TOPIC).problems)
    for path, what in ((day, "sha256 is"), (other, "no readable day file"), (gone, "is missing"), (raw, "is damaged")):
        assert any(str(path) in line and what in line for line in problems.splitlines()), (path, problems)


def test_a_store_that_is_down_is_an_outage_and_one_without_rights_a_setting(
    root: ObjectPath, server: ObjectStoreServer
) -> None:
    write(root / "x", b"1")
    server.link.cut()
    with pytest.raises(Retriable, match="/some/history/x"):
        read_bytes(root / "x")
    server.link.heal()
    assert read_bytes(root / "x") == b"1"


def test_a_file_that_is_there_already_counts_as_put_and_another_is_replaced(root: ObjectPath, tmp_path: Path) -> None:
    target, local = root / "t" / "x.parquet", tmp_path / "x.parquet"
    local.write_bytes(b"first")
    asyncio.run(upload(local, target))
    known = look(target)
    asyncio.run(upload(local, target))
    assert look(target) == known
    local.write_bytes(b"second")
    asyncio.run(upload(local, target))
    assert read_bytes(target) == b"second"


def test_a_second_compaction_at_the_same_time_fails_and_loses_nothing(root: ObjectPath, tmp_path: Path) -> None:
    """The other pass comes between reading the day and publishing it."""
    everything = fill(tmp_path)
    put_tree(tmp_path, root)
    others = []

    def settled(_writer: str) -> int:
        if not others:
            others.append(True)
            others.append(compact(root, TOPIC, BEFORE, lambda _: 10**9))
        return 10**9

    with pytest.raises((Retriable, Misconfigured)):
        compact(root, TOPIC, BEFORE, settled)
    assert seen(root) == everything
