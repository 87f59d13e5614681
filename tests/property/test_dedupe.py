"""De-duplication against a plain set, over any gaps, re-sends, wraps, batchings and restores."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.dedupe import DUPLICATE, NEW, Deduplicator, Numbering
from operators.numbering import Holes

SECOND = 1_000_000
Log = list[dict[str, Any]]


def log_of(chance: random.Random, modulus: int) -> Log:
    """Sources that lose numbers, send out of order and send again; `n` is the true number."""
    log = []
    for source in ("a", "b\n", "b ", "|c", "no-number"):
        first, size = chance.choice([0, 5, 200]), chance.randint(1, 60)
        at = chance.uniform(0, 30)
        for number in range(first, first + size):
            if chance.random() < 0.1:
                continue  # lost before it reached the log
            row = {
                "n": number,
                "plant": "P1",
                "source": source,
                "sequence": None if source == "no-number" else number % modulus if modulus else number,
                "event_id": f"{source}/{number}",
                "time": number * SECOND,
            }
            at += 1
            log.append((at + chance.choice([0, 0, chance.uniform(0, 20)]), row))
            log += [(at + chance.uniform(0, 40), row) for _ in range(3) if chance.random() < 0.15]
    return [row for _, row in sorted(log, key=lambda item: item[0])]


def frame(rows: Log) -> pl.DataFrame:
    schema = {"plant": pl.String, "source": pl.String, "sequence": pl.Int64, "event_id": pl.String}
    return pl.DataFrame([[row[name] for name in schema] for row in rows], schema=schema, orient="row")


def judge(log: Log, modulus: int, chance: random.Random) -> tuple[list[int], Deduplicator]:
    """Codes of the whole log, judged in batches, with a restore from a snapshot now and then."""
    numbering = Numbering(modulus=(("*", modulus),) if modulus else ())
    deduplicator, codes, at = Deduplicator(numbering), [], 0
    while at < len(log):
        rows = log[at : at + chance.choice([1, 3, 20, 200])]
        times = np.array([row["time"] for row in rows], np.int64)
        found, _ = deduplicator.judge(frame(rows), times, np.zeros(len(rows), np.int32))
        codes += found.tolist()
        at += len(rows)
        if chance.random() < 0.3:
            saved = pickle.loads(pickle.dumps(deduplicator.snapshot()))  # noqa: S301
            deduplicator = Deduplicator(numbering)
            deduplicator.restore(saved)
    return codes, deduplicator


def plain(log: Log) -> list[int]:
    """What a set of everything seen says."""
    seen: set[str] = set()
    codes = []
    for row in log:
        codes.append(DUPLICATE if row["event_id"] in seen else NEW)
        seen.add(row["event_id"])
    return codes


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0, 16, 256]))
def test_verdicts_equal_those_of_a_set_of_everything_seen(seed: int, modulus: int) -> None:
    """Numbers, numbers that wrap and ids alike, whatever the batches and restores."""
    chance = random.Random(seed)
    log = log_of(chance, modulus)
    codes, _ = judge(log, modulus, chance)
    assert codes == plain(log)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_missing_of_a_source_is_what_is_remembered_as_holes(seed: int) -> None:
    """The gaps that stay open are the numbers between first and last that never came."""
    chance = random.Random(seed)
    log = [row for row in log_of(chance, 0) if row["source"] == "a"]
    _, deduplicator = judge(log, 0, chance)
    numbers = {row["n"] for row in log}
    missing = set(range(min(numbers, default=0), max(numbers, default=0))) - numbers
    holes = deduplicator.sequences.holes.get(0, Holes()).snapshot()["holes"]
    assert {number for start, end in holes for number in range(start, end)} == missing


def test_without_de_duplication_the_comparison_fails() -> None:
    """Negative control: judging nothing is not what the set says."""
    log = log_of(random.Random(3), 0)
    codes, _ = Deduplicator(enabled=False).judge(
        frame(log), np.array([row["time"] for row in log]), np.zeros(len(log), np.int32)
    )
    with pytest.raises(AssertionError):
        assert codes.tolist() == plain(log)
