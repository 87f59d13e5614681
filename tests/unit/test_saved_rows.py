"""What snapshots keep of rows: each row is serialised once, and any release reads the stream."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators import saved_rows
from operators.frames import from_bytes, to_bytes
from operators.replenishment_queue import Queue
from operators.replenishment_rows import MOVEMENTS
from operators.saved_rows import LEAST, SavedRows, joined, stream
from operators.stock import BALANCE, MOVEMENT, retain
from operators.stock_kept import KeptRows
from operators.stock_levels import StockLevels
from operators.stock_moved import MOVED, expanded

MINUTE = 60_000_000
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
KEY = ["material", "storage_location"]


def moved(count: int, first: int = 0, minutes: float = 0, places: int = 7) -> pl.DataFrame:
    """Issues of one kilogram, numbered."""
    numbers = range(first, first + count)
    rows = [
        ("P1", "STEEL", f"R{n % places}", f"issue|{n:08}", "out", START + timedelta(minutes=minutes), "KGM", 1)
        for n in numbers
    ]
    return pl.DataFrame(rows, schema=MOVED, orient="row")


def read(data: bytes) -> list[Any]:
    """Rows of a stream, sorted."""
    return from_bytes(data, MOVED).sort("movement_id").rows()


@pytest.fixture
def serialised(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Heights of the frames that are serialised."""
    heights: list[int] = []

    def counted(frame: pl.DataFrame, *args: Any) -> bytes:
        heights.append(frame.height)
        return to_bytes(frame, *args)

    monkeypatch.setattr(saved_rows, "to_bytes", counted)
    return heights


def test_streams_are_joined_without_reading_them() -> None:
    """Of whatever number of batches."""
    parts = [moved(3), pl.concat([moved(2, 3), moved(2, 5)]), moved(4, 7)]
    whole = joined([to_bytes(part, "zstd") for part in parts])
    assert whole is not None
    assert read(whole) == pl.concat(parts).rows()


def test_rows_of_a_shard_do_not_take_the_text_of_all_others_along() -> None:
    """Text is kept for each row; what a batch brought for the other shards is not."""
    names = pl.Series("movement_id", [f"consumption|{n * 2654435761 % (1 << 64):016x}" for n in range(8000)])
    rows = moved(8000).with_columns(names)
    assert len(to_bytes(rows[::4], "zstd")) < 0.3 * len(to_bytes(rows, "zstd"))


def test_streams_of_short_and_of_long_text_are_read_and_written_anew() -> None:
    """The names of one are as long as a view, those of the other are not; rows that lack one are in either."""
    named = pl.when(pl.col("quantity") > 0).then(pl.lit("short")).alias("movement_id")
    short, none = moved(LEAST).with_columns(named), moved(LEAST).with_columns(pl.lit(None, pl.String).alias("unit"))
    assert joined([to_bytes(short, "zstd"), to_bytes(moved(LEAST), "zstd")]) is None
    parts = [SavedRows(each) for each in (short, moved(LEAST), none, moved(0))]
    for part in parts:
        part.bytes()
    assert read(SavedRows.together(parts).bytes()) == read(to_bytes(pl.concat([short, moved(LEAST), none])))


def test_a_stream_that_another_library_wrote_is_read_and_written_anew() -> None:
    """As by releases that let Polars compress: the same columns under another schema message."""
    older = to_bytes(moved(LEAST), "lz4")
    assert joined([older, to_bytes(moved(1), "zstd")]) is None
    both = SavedRows.together([SavedRows(moved(LEAST), older), SavedRows(moved(LEAST, LEAST))])
    assert read(both.bytes()) == moved(2 * LEAST).rows()


def test_streams_of_other_columns_are_not_joined() -> None:
    """As of a release that had a column less: its rows are serialised anew."""
    older = to_bytes(moved(LEAST).drop("unit"))
    assert joined([older, to_bytes(moved(1))]) is None
    assert joined([b"\x00" * 20, to_bytes(moved(1))]) is None
    both = SavedRows.together([SavedRows(moved(LEAST), older), SavedRows(moved(LEAST, LEAST))])
    assert read(both.bytes()) == moved(2 * LEAST).rows()


def test_rows_that_wait_are_serialised_once(serialised: list[int]) -> None:
    """A queue over many snapshots, and the chunk that its rows become; few rows are serialised with others."""
    queue = Queue(MINUTE)
    for n in range(5):
        queue.put(MOVEMENTS, moved(LEAST, n * LEAST, 1))
        assert len(read(queue.snapshot()["rows"][MOVEMENTS])) == (n + 1) * LEAST
    queue.put(MOVEMENTS, moved(3, 5 * LEAST, 1))
    taken = queue.take(int(START.timestamp() * 1_000_000) + MINUTE)[MOVEMENTS]
    assert read(taken.bytes()) == moved(5 * LEAST + 3, minutes=1).rows()
    assert serialised == [LEAST] * 5 + [3]
    serialised.clear()
    small = [SavedRows(moved(LEAST - 1, n * LEAST)) for n in range(3)]
    assert len(read(stream(small))) == len(read(stream(small))) == 3 * (LEAST - 1)
    assert serialised == [3 * (LEAST - 1)] * 2


def levels_of(chunks: int) -> StockLevels:
    """Stock after so many instants of 1000 movements each, a minute apart."""
    stock, nothing = StockLevels(timedelta(hours=1)), pl.DataFrame(schema=BALANCE)
    for n in range(chunks):
        rows = SavedRows(moved(LEAST, n * LEAST, n))
        stock.apply(nothing, rows, SavedRows(pl.DataFrame(schema=MOVEMENT)), START + timedelta(minutes=n))
        stock.snapshot()
    return stock


def test_movements_are_serialised_once_while_they_are_kept(serialised: list[int]) -> None:
    """Also when chunks are joined, and when nothing is old enough to leave."""
    stock = levels_of(100)
    assert len(stock.snapshot()["moved"]) <= 25
    assert sum(serialised) == 100 * LEAST
    again = StockLevels(timedelta(hours=1))
    again.restore(stock.snapshot())
    every = pl.DataFrame([("P1", "STEEL", f"R{n}") for n in range(7)], schema=["plant", *KEY], orient="row")
    for each in (stock, again):
        assert each.movements(every).sort("movement_id").rows() == expanded(moved_over(100)).rows()


def moved_over(minutes: int) -> pl.DataFrame:
    """The movements of `levels_of`."""
    return pl.concat([moved(LEAST, n * LEAST, n) for n in range(minutes)])


@pytest.mark.parametrize("seed", range(20))
def test_what_leaves_is_what_the_rule_says(seed: int) -> None:
    """Chunk by chunk, whatever they hold: the same as `retain` over all, with any balances."""
    chance = random.Random(seed)
    stock = levels_of(chance.randrange(1, 60))
    rows = [
        ("P1", "STEEL", f"R{n}", START + timedelta(minutes=at), START, "e", "KGM", *[Decimal(0)] * 4)
        for n in chance.sample(range(7), chance.randrange(8))
        for at in chance.sample(range(-50, 200), 2)
    ]
    known = pl.DataFrame(rows, schema=BALANCE, orient="row")
    instant = START + timedelta(days=chance.choice([0, 29.99, 30.01, 31]))
    every = pl.concat([chunk.part.rows for chunk in stock._moved.chunks])
    if chance.random() < 0.5:
        stock.snapshot()  # they rest
    stock.balances = known
    kept_known, kept = retain(known, every, stock.keep)
    counted = known.select("plant", *KEY).unique()
    recent = kept.join(counted, on=["plant", *KEY], how="anti").filter(pl.col("time") > instant - timedelta(days=30))
    wanted = pl.concat([kept.join(counted, on=["plant", *KEY], how="semi"), recent])
    stock.prune(instant)
    left = pl.concat([every.clear(), *(chunk.part.rows for chunk in stock._moved.chunks)])
    assert left.sort("movement_id").rows() == wanted.sort("movement_id").rows()
    assert sorted(stock.balances.rows()) == sorted(kept_known.rows())
    stored = [from_bytes(data, MOVED) for data in stock.snapshot()["moved"]]
    assert pl.concat([every.clear(), *stored]).sort("movement_id").rows() == wanted.sort("movement_id").rows()


def resting(kept: KeptRows) -> int:
    """Rows of which only the bytes are there."""
    return sum(chunk.part.height for chunk in kept.chunks if chunk.part._rows is None)


def test_rows_that_nobody_looks_at_rest_as_their_bytes() -> None:
    """From the first snapshot on, and again from the first one without a look-up after one."""
    kept, places = KeptRows(MOVED), moved(7).select("plant", *KEY)
    for n in range(3):
        kept.add(SavedRows(moved(LEAST, n * LEAST)))
    assert resting(kept) == 0
    kept.snapshot()
    assert resting(kept) == kept.rows == 3 * LEAST
    assert kept.of(places).sort("movement_id").rows() == moved(3 * LEAST).rows()
    kept.snapshot()
    assert resting(kept) == 0
    kept.snapshot()
    assert resting(kept) == 3 * LEAST
    again = KeptRows(MOVED)
    again.restore(kept.snapshot())
    assert resting(again) == 3 * LEAST


def test_joined_chunks_are_read_and_leave_whether_they_rest_or_not() -> None:
    """Rows that rest, and few that came since, become one chunk, of which the older part leaves."""
    kept, places = KeptRows(MOVED), moved(7).select("plant", *KEY).unique()
    kept.add(SavedRows(moved(3 * LEAST, minutes=60)))
    for n in range(24):
        kept.add(SavedRows(moved(LEAST if n % 2 else 1, 10 * LEAST * (n + 1), minutes=n)))
        kept.snapshot()
    rows = sum(3 * LEAST if n < 0 else LEAST if n % 2 else 1 for n in range(-1, 24))
    kept.tidy()
    assert len(kept.chunks) == 13
    assert kept.of(places).height == kept.rows == rows
    limit = pl.lit(START + timedelta(minutes=5))
    kept.prune(START + timedelta(minutes=5), lambda each: each.filter(pl.col("time") > limit))
    assert kept.of(places).height == kept.rows == rows - 3 * LEAST - 3


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_the_same_whether_they_rest_or_not(seed: int) -> None:
    """Over joins of chunks, snapshots, look-ups, restarts and what leaves."""
    chance = random.Random(seed)
    kept, plain, number = KeptRows(MOVED), moved(0), 0
    places = moved(7).select("plant", *KEY).unique()
    for minute in range(40):
        rows = moved(chance.choice([1, 20, LEAST, LEAST + 1]), number, minute)
        number += rows.height
        kept.add(SavedRows(rows))
        plain = pl.concat([plain, rows])
        kept.tidy()
        if chance.random() < 0.5:
            state = kept.snapshot()
            assert sorted(row for data in state for row in read(data)) == sorted(plain.rows())
            if chance.random() < 0.2:
                kept = KeptRows(MOVED)
                kept.restore(state)
        if chance.random() < 0.2:
            some = places.sample(chance.randrange(1, 4), seed=seed)
            found = kept.of(some).sort("movement_id").rows()
            assert found == plain.join(some, on=some.columns, how="semi").sort("movement_id").rows()
        if chance.random() < 0.1:
            limit = START + timedelta(minutes=chance.randrange(minute + 1))
            stays = pl.col("time") > pl.lit(limit)
            kept.prune(limit, lambda rows, stays=stays: rows.filter(stays))  # type: ignore[misc]
            plain = plain.filter(stays)
        assert kept.rows == plain.height
