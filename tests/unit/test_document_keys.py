"""Keys of late additions: two records never share one, and each tells its place in the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from operators.document_keys import late_key, late_place, own_place
from operators.partials import INSTANT

DAY = datetime(2026, 3, 2, 6, tzinfo=UTC)
SCHEMA = {"plant": pl.String(), "event_time": INSTANT, "origin": pl.Int32(), "offset": pl.Int64()}
Row = tuple[str, datetime, int, int]
ONE: Row = ("P1", DAY, 1 << 16 | 3, 17)


def keys(*rows: Row, topic: str = "machine-cycle") -> list[str]:
    frame = pl.DataFrame(list(rows), schema=SCHEMA, orient="row")
    return frame.select(late_key(own_place(topic))).to_series().to_list()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("P2", *ONE[1:]), id="a plant with a broker of its own, one ledger"),
        pytest.param((ONE[0], DAY + timedelta(days=400), *ONE[2:]), id="a topic that was made anew"),
        pytest.param(("P1|", *ONE[1:]), id="a plant with a bar in its name"),
    ],
)
def test_records_at_the_same_offset_are_two_documents(other: Row) -> None:
    """By the place alone the second would count as known, and never be booked."""
    one, two = keys(ONE, other)
    assert one != two
    assert late_place(one) == late_place(two) == ("machine-cycle", 3, 17)


@pytest.mark.parametrize("topic", ["machine-cycle", "machine|cycle.csv", "|", "7|8", "%7C"])
def test_a_key_tells_the_place_of_its_record(topic: str) -> None:
    assert late_place(keys(ONE, topic=topic)[0]) == (topic, 3, 17)


def test_keys_of_former_releases_tell_their_place_as_well() -> None:
    assert late_place("late|machine-cycle|3|17") == ("machine-cycle", 3, 17)


@pytest.mark.parametrize("tail", ["|backflush|0010|STEEL|RM01", "|backflush|0010|20|30"])
def test_what_a_late_confirmation_implies_is_no_late_addition(tail: str) -> None:
    """Its key begins like one, in a ledger that flows of confirmations and of movements share."""
    assert late_place(f"{keys(ONE)[0]}{tail}") is None
    assert late_place(f"late|machine-cycle|3|17{tail}") is None
