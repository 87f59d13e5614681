"""Chunks of movements in files: the same rows as without, over joins, restarts and what leaves."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from operators import stock_kept
from operators.saved_rows import LEAST, SavedRows
from operators.stock_kept import KeptRows
from operators.stock_moved import MOVED
from tests.property.test_stock_files_step import Folder
from tests.unit.test_saved_rows import START, moved


def named(state: list[Any]) -> set[str]:
    """Files that a snapshot names."""
    return {each["file"] for each in state if isinstance(each, dict)}


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_the_same_whether_they_lie_in_files_or_not(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_kept, "FILE_ROWS", LEAST)
    monkeypatch.setattr(stock_kept, "_MOST_CHUNKS", 6)
    chance, folder = random.Random(seed), Folder()
    kept, plain, number, joined = KeptRows(MOVED, folder), moved(0), 0, 0
    places = moved(7).select("plant", "material", "storage_location").unique()
    for minute in range(40):
        rows = moved(chance.choice([1, LEAST - 1, LEAST, LEAST + 1]), number, minute)
        number += rows.height
        kept.add(SavedRows(rows))
        plain = pl.concat([plain, rows])
        before = len(kept.chunks)
        kept.tidy()
        joined += len(kept.chunks) < before
        if chance.random() < 0.3:
            limit = START + timedelta(minutes=chance.randrange(minute + 1))
            stays = pl.col("time") > pl.lit(limit)
            kept.prune(limit, lambda each, stays=stays: each.filter(stays))  # type: ignore[misc]
            plain = plain.filter(stays)
        state = kept.snapshot()
        kept.made_durable()
        assert named(state) <= set(folder.files)
        if chance.random() < 0.3:
            kept = KeptRows(MOVED, folder)
            kept.restore(state)
        if chance.random() < 0.3:
            assert sorted(kept.of(places).rows()) == sorted(plain.rows())
        assert kept.rows == plain.height
    assert joined
    assert folder.read


@pytest.mark.parametrize("most", [0, LEAST, 10**9])
def test_a_look_up_of_many_rows_leaves_few_of_them_in_memory(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that is counted is found in hours of movements, which do not come into memory together."""
    monkeypatch.setattr(stock_kept, "FILE_ROWS", LEAST)
    monkeypatch.setattr(stock_kept, "_MOST_AWAKE", most)
    kept, chunks = KeptRows(MOVED, Folder()), 5
    for minute in range(chunks):
        kept.add(SavedRows(moved(LEAST, minute * LEAST, minute)))
    kept.snapshot()
    every = moved(chunks * LEAST).with_columns(time=START + pl.duration(minutes=pl.int_range(pl.len()) // LEAST))
    place = moved(1).select("plant", "material", "storage_location")
    for _ in range(2):
        found = kept.of(place)
        assert sorted(found.rows()) == sorted(every.join(place, on=place.columns, how="semi").rows())
    awake = [chunk for chunk in kept.chunks if not chunk.part.resting]
    assert len(awake) == min(most // LEAST, chunks)
    name = len("issue|00000000")
    held = sum(map(_bytes_of_text, found["movement_id"].get_chunks()))
    assert held <= (found.height + len(awake) * LEAST) * name


def _bytes_of_text(names: pl.Series) -> int:
    """Text that a column holds on to, whether its rows use it or not."""
    buffers = names.to_arrow(compat_level=pl.CompatLevel.newest()).buffers()
    return sum(buffer.size for buffer in buffers[2:])


def test_what_stays_rests_again_when_old_rows_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_kept, "FILE_ROWS", LEAST)
    kept = KeptRows(MOVED, Folder())
    for minute in range(3):
        kept.add(SavedRows(moved(LEAST, minute * LEAST, minute)))
    kept.snapshot()
    kept.prune(START + timedelta(hours=1), lambda each: each)
    assert all(chunk.part.resting for chunk in kept.chunks)
    assert kept.rows == 3 * LEAST


def test_files_of_what_has_left_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One snapshot after the one that does not name them any more."""
    monkeypatch.setattr(stock_kept, "FILE_ROWS", LEAST)
    folder = Folder()
    kept = KeptRows(MOVED, folder)
    for minute in (0, 10):
        kept.add(SavedRows(moved(LEAST, minute * LEAST, minute)))
    first = named(kept.snapshot())
    assert len(first) == 2
    limit = START + timedelta(minutes=5)
    kept.prune(limit, lambda each: each.filter(pl.col("time") > pl.lit(limit)))
    kept.made_durable()
    assert set(folder.files) == first, "the state that names both is the durable one"
    left = named(kept.snapshot())
    kept.made_durable()
    assert left < first
    kept.snapshot()
    kept.made_durable()
    assert set(folder.files) == left
