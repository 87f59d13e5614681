"""Erasure holds a few row groups of a file at a time, and writes it as it was but for the name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from millrace.errors import Misconfigured
from sinks.history import personal
from sinks.history.compact import only_one
from sinks.history.day_file import read_footer
from sinks.history.erase import Erasure
from sinks.history.erasure_report import Report
from tests.unit.bounded_case import EVERY, Held, a_day, groups
from tests.unit.erase_case import START, TOPIC, call, life, reports

ROWS, GROUP = 4000, 100
#: Row groups that may be alive at once: read, changed, joined with what is left of the last, and compared.
FEW = 8


def many(root: Path) -> None:
    """One day with as many reports as there are to be."""
    writer = life(root)
    for begin in range(0, ROWS, ROWS // 4):
        rows = reports(range(begin, begin + ROWS // 4))
        times = [START + timedelta(seconds=20 * (begin + number)) for number in range(rows.height)]
        writer.write("OperationReport", rows.with_columns(pl.Series("event_time", times, rows.schema["event_time"])))
        writer.sync()


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    many(tmp_path)
    return a_day(tmp_path, TOPIC, monkeypatch, GROUP)


def erased(root: Path) -> None:
    report = Report.begin(root, {})
    with only_one(root):
        assert Erasure(root, "ann", lambda _: EVERY, report).topic(TOPIC).rows == ROWS // 4
    report.end()


def test_a_day_is_erased_in_memory_of_a_few_row_groups(
    tmp_path: Path, day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(groups(day)) == [GROUP] * (ROWS // GROUP)
    held = Held(monkeypatch)
    erased(tmp_path)
    assert held.seen > 3 * ROWS // GROUP
    assert 0 < held.most_rows <= FEW * GROUP


@pytest.mark.parametrize("naive", ["whole", "listed"])
def test_the_same_watch_sees_a_whole_day(day: Path, monkeypatch: pytest.MonkeyPatch, naive: str) -> None:
    """Negative control: a file that is read at once, and row groups that are kept until the last."""
    held = Held(monkeypatch)
    if naive == "whole":
        personal.erase(pl.read_parquet(day), "ann")
    else:
        with pq.ParquetFile(day) as opened:
            kept = [opened.read_row_group(number) for number in range(opened.num_row_groups)]
        assert len(kept) == ROWS // GROUP
    assert held.most_rows >= ROWS


def test_the_file_is_what_it_was_but_for_the_name(tmp_path: Path, day: Path) -> None:
    before, footer, old = pl.read_parquet(day), read_footer(day), pq.read_metadata(day)
    erased(tmp_path)
    after, now, new = pl.read_parquet(day), read_footer(day), pq.read_metadata(day)
    wanted = before.with_columns(pl.col("operator").replace({"ann": personal.ERASED}))
    assert after.equals(wanted)  # in the same order
    assert footer is not None
    assert now is not None
    assert (now.taken, now.rows, now.first, now.last) == (footer.taken, footer.rows, footer.first, footer.last)
    assert now.id != footer.id
    assert list(groups(day)) == [GROUP] * (ROWS // GROUP)
    assert _written_like(new) == _written_like(old)
    assert pq.read_schema(day).equals(pq.ParquetFile(day).schema_arrow)


def _written_like(meta: Any) -> list[tuple[Any, ...]]:
    chunks = [meta.row_group(0).column(number) for number in range(meta.num_columns)]
    order = [each.column_index for each in meta.row_group(0).sorting_columns]
    told = [(c.path_in_schema, c.compression, c.is_stats_set, c.has_column_index, c.has_offset_index) for c in chunks]
    return [*told, *((number,) for number in order), tuple(meta.metadata)]


def test_raw_files_and_letters_are_written_group_by_group_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(tmp_path / "history")
    raw = sorted((tmp_path / "history" / TOPIC).rglob("*.parquet"))
    for path in raw:
        said = {key.decode(): value.decode() for key, value in pq.read_metadata(path).metadata.items()}
        rows = pl.read_parquet(path)
        rows.write_parquet(path, row_group_size=GROUP, metadata={key: said[key] for key in said if key[0].islower()})
    letters = tmp_path / "letters.parquet"
    columns = {"payload": [b"O1;ann;5", b"O1;hanna;5"] * ROWS, "detail": ["ann?"] * 2 * ROWS}
    pl.DataFrame(columns).write_parquet(letters, row_group_size=GROUP)
    kinds = {path: (pl.read_parquet_schema(path), {**pq.read_metadata(path).metadata}) for path in raw}
    with monkeypatch.context() as patch:
        held = Held(patch)
        call(*_ERASE, "--root", tmp_path / "history", "--letters", letters)
    assert 0 < held.most_rows <= FEW * GROUP
    found = pl.read_parquet(letters)
    assert found["payload"].value_counts().sort("payload").rows() == [(b"", ROWS), (b"O1;hanna;5", ROWS)]
    for path in raw:
        assert set(groups(path)) == {GROUP}
        assert pl.read_parquet(path)["operator"].eq("ann").sum() == 0
        after = {**pq.read_metadata(path).metadata}
        assert (pl.read_parquet_schema(path), after[b"flow"]) == (kinds[path][0], kinds[path][1][b"flow"])


_ERASE = ["history", "erase", "--operator", "ann", "--reason", "request 17", "--retired", "state1"]


def test_a_draft_that_lacks_a_row_group_or_has_another_row_is_not_published(
    tmp_path: Path, day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written is read back before it takes the file's place."""
    old, real = day.read_bytes(), pq.ParquetWriter.write_table
    count = iter(range(10**6))

    def forgetful(self: Any, table: Any, *args: Any, **options: Any) -> None:
        if next(count) != ROWS // GROUP // 2:
            real(self, table, *args, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", forgetful)
    with pytest.raises(Misconfigured, match="does not hold the rows"):
        erased(tmp_path)
    assert day.read_bytes() == old


def test_a_topic_that_names_nobody_is_not_read(tmp_path: Path, day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only columns that can name somebody are looked at; here they are taken out of the file."""
    pl.read_parquet(day).drop("operator").write_parquet(day.with_name("other"))
    with pq.ParquetFile(day.with_name("other")) as opened:
        table = opened.read().replace_schema_metadata(pq.read_metadata(day).metadata)
    pq.write_table(table, day)
    held = Held(monkeypatch)
    with only_one(tmp_path):
        assert Erasure(tmp_path, "ann", lambda _: EVERY, None).topic(TOPIC).files == 0
    assert held.seen == 0
