"""De-duplication: the cases that need a name of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from operators.dedupe import DUPLICATE, EXPIRED, NEW, REUSED, UNVERIFIED, Deduplicator, Gap, Numbering
from operators.dedupe_sequence import SequenceTracker
from operators.hashing import hash_strings

SCHEMA = {"plant": pl.String, "source": pl.String, "sequence": pl.Int64, "event_id": pl.String}
Rows = list[tuple[str, int | None, int]]


def judge(deduplicator: Deduplicator, rows: Rows, partition: int = 0) -> tuple[list[int], list[Gap]]:
    """Rows of source, number and second; the id names the second."""
    table: list[list[Any]] = [["P1", source, number, f"{source}@{at}"] for source, number, at in rows]
    frame = pl.DataFrame(table, schema=SCHEMA, orient="row")
    times = np.array([at for *_, at in rows], np.int64) * 1_000_000
    codes, gaps = deduplicator.judge(frame, times, np.full(len(rows), partition, np.int32))
    return codes.tolist(), gaps


def test_a_gap_is_told_once_and_filled_by_what_comes_late() -> None:
    deduplicator = Deduplicator()
    codes, gaps = judge(deduplicator, [("a", 1, 1), ("a", 4, 4), ("a", 5, 5)])
    assert (codes, gaps) == ([NEW] * 3, [Gap("P1\x1fa", 2, 3)])
    assert judge(deduplicator, [("a", 3, 3), ("a", 3, 3), ("a", 2, 2)]) == ([NEW, DUPLICATE, NEW], [])
    assert not deduplicator.sequences.holes


def test_a_source_that_starts_its_numbers_again_is_named() -> None:
    deduplicator = Deduplicator()
    judge(deduplicator, [("a", 7, 7), ("a", 8, 8)])
    assert judge(deduplicator, [("a", 7, 9), ("a", 7, 7)])[0] == [REUSED, DUPLICATE]


def test_numbers_below_the_first_are_new_once() -> None:
    deduplicator = Deduplicator()
    judge(deduplicator, [("a", 100, 100)])
    assert judge(deduplicator, [("a", 97, 97), ("a", 97, 97), ("a", 98, 98)])[0] == [NEW, DUPLICATE, NEW]


def test_a_number_that_is_none_is_judged_by_id() -> None:
    """Negative and overflowing numbers of a broken register count once each."""
    deduplicator, broken = Deduplicator(), [("a", -5, 1), ("a", 2**63 - 1, 2), ("a", -5, 3)]
    assert judge(deduplicator, [("a", 1, 0), *broken])[0] == [NEW] * 4
    assert judge(deduplicator, broken)[0] == [DUPLICATE] * 3


def test_a_wrapping_source_that_sends_hours_again_is_recognised() -> None:
    """The number of a re-send from more than a register ago is that of another event."""
    deduplicator = Deduplicator(Numbering(modulus=(("press-*", 256),)))
    rows: Rows = [("press-1", at % 256, at) for at in range(1000)]
    assert judge(deduplicator, rows) == ([NEW] * 1000, [])
    assert judge(deduplicator, rows[300:900])[0] == [DUPLICATE] * 600
    assert judge(deduplicator, [("press-1", 1003 % 256, 1003)])[1] == [Gap("P1\x1fpress-1", 1000, 1002)]


def test_beyond_the_horizon_a_wrapping_source_is_judged_by_its_number() -> None:
    deduplicator = Deduplicator(Numbering(modulus=(("*", 256),), id_horizon=1_000_000))
    judge(deduplicator, [("a", at % 256, at * 10) for at in range(300)])
    assert judge(deduplicator, [("a", 299 % 256, 2000), ("a", 250, 2500)])[0] == [DUPLICATE, DUPLICATE]


def test_the_register_width_is_found_by_source_in_any_scope() -> None:
    numbering = Numbering(scope=("source", "counter"), modulus=(("press-*", 256),))
    frame = pl.DataFrame({"source": ["press-1", "saw\x1fpress-1"], "counter": [None, "press-9"]})
    assert [numbering.modulus_of(name) for name in numbering.names(frame)] == [256, 0]


def test_an_unnumbered_source_is_judged_within_the_horizon_of_its_own_partition() -> None:
    deduplicator = Deduplicator()
    assert judge(deduplicator, [("a", None, 10), ("a", None, 10)], 0)[0] == [NEW, DUPLICATE]
    judge(deduplicator, [("b", None, 100_000)], 1)
    assert judge(deduplicator, [("a", None, 10)], 0)[0] == [DUPLICATE]
    assert judge(deduplicator, [("a", None, 90_000), ("a", None, 10)], 0)[0] == [NEW, UNVERIFIED]


def test_ids_leave_the_state_with_their_horizon() -> None:
    deduplicator = Deduplicator()
    judge(deduplicator, [("a", None, at * 60) for at in range(10_000)])
    assert sum(len(seen) for seen in deduplicator.ids[0].buckets.values()) <= 70


def test_holes_are_bounded_and_what_was_given_up_is_no_duplicate() -> None:
    tracker = SequenceTracker(most_holes=3)
    numbers = np.arange(0, 40, 2, dtype=np.int64)
    hashes = np.repeat(hash_strings(pl.Series(["a"])), len(numbers))
    tracker.judge(hashes, lambda rows: ["a"] * len(rows), numbers, numbers)
    late = np.array([1, 37, 37], np.int64)
    verdicts = tracker.judge(hashes[:3], lambda rows: ["a"] * len(rows), late, late)
    assert verdicts.codes.tolist() == [EXPIRED, NEW, DUPLICATE]


def test_ten_thousand_sources_are_found_again_after_a_restore() -> None:
    deduplicator, rows = Deduplicator(), [(f"s{n}", 1, 1) for n in range(10_000)]
    judge(deduplicator, rows)
    restored = Deduplicator()
    restored.restore(deduplicator.snapshot())
    assert set(judge(restored, rows)[0]) == {DUPLICATE}
    assert set(judge(restored, [(name, 2, 2) for name, *_ in rows])[0]) == {NEW}
