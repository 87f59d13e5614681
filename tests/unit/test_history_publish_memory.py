"""Tables are made of a day file's row groups, a few at a time, by one commit; when one cannot be read, by none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.errors import Misconfigured, Retriable
from sinks.history import iceberg
from sinks.history.compact import compact
from sinks.history.publish import publish
from sinks.history.reading import day_files
from tests.unit.bounded_case import EVERY, Held, a_day
from tests.unit.history_case import BEFORE, TOPIC, add, in_days, rows, writer
from tests.unit.test_history_publish import KINDS, asked, catalogue, ids, killed, target

__all__ = ["catalogue"]  # a fixture
ROWS, GROUP = 60_000, 2000
#: Row groups that may be alive at once: one that was read, those that wait to be written, one on its way.
FEW = 12


def many(root: Path, patch: pytest.MonkeyPatch) -> Path:
    """One day of so many rows in row groups of so few."""
    history = writer(root)
    history.restore(None)
    history.write("MachineCycle", rows(range(1)))
    frame = rows([0] * ROWS)
    history.write("MachineCycle", frame.with_columns(offset=numbers(), event_id=numbers("M1-")))
    history.sync()
    patch.setattr(iceberg, "AT_ONCE", 4 * GROUP)
    return a_day(root, TOPIC, patch, GROUP)


def numbers(prefix: str | None = None) -> pl.Expr:
    number = pl.int_range(1, ROWS + 1)
    return number if prefix is None else pl.concat_str(pl.lit(prefix), number.cast(pl.String))


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return many(tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_is_published_in_memory_of_a_few_row_groups(
    tmp_path: Path, day: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    whole = pq.read_table(day).nbytes
    into = target(kind, tmp_path)
    with monkeypatch.context() as patch:
        held = Held(patch)
        done = publish(tmp_path, TOPIC, into)
    assert (done.days, done.rows) == (1, ROWS + 1)
    assert held.seen >= ROWS // GROUP
    assert 0 < held.most_rows <= FEW * GROUP
    assert held.most_bytes < whole / 2
    assert ids(kind, tmp_path) == in_days(tmp_path)


def test_the_same_watch_sees_a_whole_day(tmp_path: Path, day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a target that takes all rows before it writes."""
    from deltalake import write_deltalake

    whole = pq.read_table(day).nbytes

    class Greedy:
        def version_of(self, _day: str) -> int | None:
            return None

        def replace(self, _day: str, _place: Any, batches: pa.RecordBatchReader, _version: int) -> None:
            table = batches.read_all()
            held.look()
            write_deltalake(str(tmp_path / "greedy"), table, mode="append")

    held = Held(monkeypatch)
    publish(tmp_path, TOPIC, Greedy())
    assert held.most_bytes >= 0.8 * whole


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("day")
def test_a_day_of_many_batches_is_one_commit_and_replaced_as_a_whole(tmp_path: Path, kind: str) -> None:
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    assert _commits(kind, tmp_path) == 1
    add(tmp_path, [3, 4], EVERY, "LATE")
    compact(tmp_path, TOPIC, BEFORE, lambda _: 2 * EVERY)
    assert publish(tmp_path, TOPIC, target(kind, tmp_path)).days == 1
    assert _commits(kind, tmp_path) == 2
    assert ids(kind, tmp_path) == in_days(tmp_path)
    assert publish(tmp_path, TOPIC, target(kind, tmp_path)).unchanged == 1


def _commits(kind: str, folder: Path) -> int:
    """Versions of the table that readers could see with rows."""
    table = target(kind, folder).table()
    if kind == "delta":
        return int(table.version()) + 1
    made = len([each for each in table.metadata.metadata_log if each]) + 1
    return made - 2  # made without rows, then partitioned


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("day")
def test_a_kill_between_row_groups_commits_nothing_and_the_next_pass_does_all(tmp_path: Path, kind: str) -> None:
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    before = ids(kind, tmp_path)
    add(tmp_path, [3, 4], EVERY, "LATE")
    compact(tmp_path, TOPIC, BEFORE, lambda _: 2 * EVERY)
    killed(tmp_path, kind, "publish.after_group@9")
    assert ids(kind, tmp_path) == before
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    assert ids(kind, tmp_path) == in_days(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_group_that_cannot_be_read_leaves_the_table_as_it_was(tmp_path: Path, day: Path, kind: str) -> None:
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    before = ids(kind, tmp_path)
    add(tmp_path, [3, 4], EVERY, "LATE")
    compact(tmp_path, TOPIC, BEFORE, lambda _: 2 * EVERY)
    _damage(day)
    with pytest.raises(Misconfigured, match=r"day\.parquet: is no readable day file"):
        publish(tmp_path, TOPIC, target(kind, tmp_path))
    assert ids(kind, tmp_path) == before
    (footer,) = day_files(tmp_path, TOPIC)
    assert target(kind, tmp_path).version_of("plant=P1/date=2026-03-01") not in {None, footer.number}


def _damage(path: Path) -> None:
    """One byte of a page in the last row group but one."""
    meta = pq.read_metadata(path)
    chunk = meta.row_group(meta.num_row_groups - 2).column(0)
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size - 5] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("day")
def test_a_pass_that_others_overtook_between_its_batches_fails_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    add(tmp_path, [3, 4], EVERY, "LATE")
    compact(tmp_path, TOPIC, BEFORE, lambda _: 2 * EVERY)
    with monkeypatch.context() as patch:
        _at_group(patch, ROWS // GROUP // 2, lambda: publish(tmp_path, TOPIC, target(kind, tmp_path)))
        with pytest.raises(Retriable, match="at the same time"):
            publish(tmp_path, TOPIC, target(kind, tmp_path))
    assert ids(kind, tmp_path) == in_days(tmp_path)
    total = asked(kind, tmp_path, "SELECT count(*), count(DISTINCT event_id) FROM cycles")
    assert total == [(ROWS + 3, ROWS + 3)]


def _at_group(patch: pytest.MonkeyPatch, number: int, what: Callable[[], object]) -> None:
    """Do something once, when a certain row group is read."""
    real, todo = pq.ParquetFile.read_row_group, [what]

    def read(self: Any, group: int, *args: Any, **options: Any) -> Any:
        if group == number and todo:
            beside = Thread(target=todo.pop())  # the engines of tables take no call from within a call
            beside.start()
            beside.join()
        return real(self, group, *args, **options)

    patch.setattr(pq.ParquetFile, "read_row_group", read)
