"""How soon suppliers answer: the first acknowledgement of an item, whichever of the two is heard first."""

from __future__ import annotations

import itertools
from typing import Any

import polars as pl
import pytest

from operators.replenishment_figures import Figures
from operators.request_lifecycle import Terms, progress
from operators.request_papers import merge_papers
from tests.flows.stock_records import Record, answer, at, order
from tests.unit.test_request_lifecycle import paper


def heard(*batches: list[Record]) -> list[tuple[str, float]]:
    """Responses after records in batches."""
    figures, known = Figures(), merge_papers([])
    for batch in batches:
        rows = [paper(record) for record in batch]
        known = merge_papers([known, *rows])
        figures.answered(pl.concat(rows), [progress(known.to_dicts(), at(600), Terms())])
    return figures.responses


ORDER, ANSWER = order(10, 100), answer(25, 100)
ONCE = [("P1", 900.0)]


@pytest.mark.parametrize("batches", [[[ORDER, ANSWER]], [[ORDER], [ANSWER]], [[ANSWER], [ORDER]]])
def test_an_answer_is_counted_once_in_any_order(batches: list[list[Record]]) -> None:
    assert heard(*batches) == ONCE


def test_later_versions_are_no_answers_of_their_own() -> None:
    """However the four records are cut, the supplier answered once at most."""
    later: list[Any] = [ORDER, ANSWER, order(30, 90, version=2), answer(40, 90, version=2)]
    for records in itertools.permutations(later):
        assert len(heard(*([each] for each in records))) <= 1
    assert heard(*([each] for each in later)) == ONCE


def test_an_order_without_an_answer_and_an_answer_without_an_order_are_none() -> None:
    assert heard([ORDER]) == heard([ANSWER]) == []
