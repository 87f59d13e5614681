"""Files beside a recovery store: written once, found or missed with a sentence, and taken along by every command."""

from __future__ import annotations

import errno
import json
import os
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dataflows.kept_files import KEPT, KeptFiles, forget_unnamed
from dataflows.run import run
from dataflows.state import store_bytes
from dataflows.state_change import back_up, empty
from dataflows.unfinished_epochs import PARTITIONS
from millrace.errors import MillraceError, Misconfigured
from tests.unit.state_case import SNAP, execute, make_store

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)


def store_with(folder: Path, *names: str, **older: Any) -> Path:
    """A store whose step of stock names files."""
    store = make_store(folder)
    moved: list[Any] = [b"", *({"file": name, "rows": 1, "first": NOW} for name in names)]
    stock = pickle.dumps({"version": 1, "stock": {"moved": moved, "movements": [], **older}})
    one, _ = sorted(store.glob(PARTITIONS))
    execute(one, SNAP, ("stock.stock", "s000", 8, stock))
    return store


def there(store: Path) -> list[str]:
    return sorted(path.name for path in (store / KEPT).glob("*"))


def test_what_was_put_is_found_again_and_leaves_when_it_is_dropped(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path / KEPT)
    names = [files.put(data) for data in (b"one", b"two", b"one")]
    assert len(set(names)) == 3, "the same bytes twice are two files: each is dropped on its own"
    assert [files.get(name) for name in names] == [b"one", b"two", b"one"]
    files.drop(names[:1])
    files.drop(names[:1])
    assert there(tmp_path) == sorted(f"{name}.arrows" for name in names[1:])
    again = KeptFiles(tmp_path / KEPT)
    assert again.get(names[1]) == b"two"


def test_a_file_that_is_gone_or_damaged_is_told_by_its_path(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path / KEPT)
    name = files.put(b"movements")
    path = tmp_path / KEPT / f"{name}.arrows"
    path.write_bytes(b"movementz")
    with pytest.raises(Misconfigured, match=f"{path}: is damaged, .* put a copy of the recovery store back"):
        files.get(name)
    path.unlink()
    with pytest.raises(Misconfigured, match=f"{path}: the state needs it: No such file"):
        files.get(name)


def test_a_disk_without_room_ends_the_flow_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MillraceError, match=rf"{tmp_path}/kept/.*\.arrows: cannot be written: No space left on device"):
        KeptFiles(tmp_path / KEPT).put(b"movements")
    monkeypatch.undo()
    assert forget_unnamed(make_store(tmp_path)) == 1, "what was begun is removed at the next start"


def test_a_start_removes_what_a_crash_left_and_nothing_that_the_state_names(tmp_path: Path) -> None:
    files = KeptFiles(tmp_path / KEPT)
    named, orphan = files.put(b"named"), files.put(b"orphan")
    (tmp_path / KEPT / ".half").write_bytes(b"ha")
    store = store_with(tmp_path, named)
    assert forget_unnamed(store) == 2
    assert there(store) == [f"{named}.arrows"]
    assert forget_unnamed(store) == 0
    with pytest.raises(Misconfigured, match="the state needs"):
        files.get(orphan)


def test_a_flow_whose_files_are_missing_does_not_start(tmp_path: Path) -> None:
    """A copy of the store without its folder `kept`, for example."""
    store = store_with(tmp_path, "a-1", "b-2")
    with pytest.raises(Misconfigured, match=r"kept/a-1.arrows: the state needs it and 1 more like it; put a copy"):
        run(None, store, layout=_layout(store), process=0)  # type: ignore[arg-type]


def _layout(store: Path) -> dict[str, Any]:
    return {k: v for k, v in json.loads((store / "layout.json").read_text()).items() if k != "state"}


def test_a_store_without_files_needs_none(tmp_path: Path) -> None:
    assert forget_unnamed(make_store(tmp_path)) == 0


def test_copies_have_the_files_and_a_reset_takes_them_out(tmp_path: Path) -> None:
    name = KeptFiles(tmp_path / KEPT).put(b"x" * 1000)
    store = store_with(tmp_path, name)
    before = store_bytes(store)
    assert before >= 1000 + sum(path.stat().st_size for path in store.glob(PARTITIONS))
    copy = back_up(store, "test")
    assert there(copy) == [f"{name}.arrows"]
    assert forget_unnamed(copy) == 0, "the copy is a store itself"
    copy = empty(store, "test")
    assert not (store / KEPT).exists()
    assert there(copy) == [f"{name}.arrows"]
