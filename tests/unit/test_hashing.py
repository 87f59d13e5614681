"""Stable hashes of strings."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.hashing import hash_columns, hash_strings, shards

TEXT = st.text(max_size=40)


def test_hashes_are_part_of_the_state_and_never_change() -> None:
    """The same strings hash alike in every release."""
    strings = pl.Series(["", "a", "press-17", "x" * 8, "x" * 9, "Prüfstand|\n\x00"])
    assert hash_strings(strings).tolist() == EXPECTED


EXPECTED = [
    12080324336402808998,
    7046357702440135267,
    2530386290552988959,
    3238748264622522482,
    2417670278821191962,
    17254945062421641608,
]


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=12), st.integers(0, 11))
def test_a_hash_does_not_depend_on_the_neighbours_of_its_string(texts: list[str], at: int) -> None:
    """One row hashes as it does alone, also in a slice of a longer column."""
    at %= len(texts)
    column = pl.Series(texts, dtype=pl.String)
    alone = hash_strings(pl.Series([texts[at]], dtype=pl.String))[0]
    assert hash_strings(column)[at] == alone
    assert hash_strings(column[at:])[0] == alone


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="aMü0\x00", max_size=13), min_size=1, max_size=12), st.integers(0, 11))
def test_short_texts_hash_as_they_do_beside_a_long_one(texts: list[str], at: int) -> None:
    """Which columns have long texts changes from batch to batch: the way that they are read by must not show."""
    column, beside = pl.Series(texts, dtype=pl.String), pl.Series([*texts, "x" * 13], dtype=pl.String)
    assert hash_strings(column).tolist() == hash_strings(beside).tolist()[:-1]
    assert hash_strings(column[at:], 1).tolist() == hash_strings(beside, 1).tolist()[at:-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, min_size=2, max_size=30, unique=True))
def test_different_strings_have_different_hashes(texts: list[str]) -> None:
    """No collisions among few strings, hostile ones included."""
    assert len(set(hash_strings(pl.Series(texts, dtype=pl.String)).tolist())) == len(texts)


def test_where_one_column_ends_and_the_next_begins_matters() -> None:
    """Columns are hashed apart, so no separator can be forged."""
    frame = pl.DataFrame({"a": ["x", "xy", "", "xyz"], "b": ["yz", "z", "xyz", ""]})
    assert len(set(hash_columns(frame, ["a", "b"]).tolist())) == 4


def test_null_counts_as_the_empty_string_and_enums_as_their_text() -> None:
    """What a column is stored as does not change its hash."""
    text = pl.DataFrame({"a": ["", "x", "x"]})
    nulls = pl.DataFrame({"a": [None, "x", "x"]})
    enums = pl.DataFrame({"a": pl.Series([None, "x", "x"], dtype=pl.Enum(["x"]))})
    expected = hash_columns(text, ["a"]).tolist()
    assert hash_columns(nulls, ["a"]).tolist() == hash_columns(enums, ["a"]).tolist() == expected


def test_a_batch_of_one_plant_hashes_as_each_of_its_rows_does() -> None:
    """The short cut for a constant column gives the same hashes."""
    frame = pl.DataFrame({"plant": ["P1"] * 3, "order": ["a", "b", "c"]})
    singly = [int(hash_columns(frame[row], ["plant", "order"])[0]) for row in range(3)]
    assert hash_columns(frame, ["plant", "order"]).tolist() == singly


def test_no_rows_have_no_hashes() -> None:
    """An empty frame is no special case."""
    frame = pl.DataFrame(schema={"plant": pl.String, "order": pl.String})
    assert hash_columns(frame, ["plant", "order"]).tolist() == []
    assert shards(frame, ["plant", "order"], 16).tolist() == []


def test_shards_are_spread_evenly() -> None:
    """Orders numbered in a row fall into all shards."""
    frame = pl.DataFrame({"plant": ["P1"] * 1600, "order": [f"{n:012d}" for n in range(1600)]})
    counts = pl.Series(shards(frame, ["plant", "order"], 16)).value_counts()["count"]
    assert len(counts) == 16
    assert 60 <= counts.min() <= counts.max() <= 150  # type: ignore[operator]
