"""What a flow makes of records that are sent again from the dead letters."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflows.settings import ConfirmationsSettings
from operators.replayed import replay_headers
from schemas.batch import RawBatch
from tests.flows.memory import Consumer, Script, batch, cycle, order, run

COUNT, BAD = 100, 50


def settings(**values: Any) -> ConfirmationsSettings:
    return ConfirmationsSettings(window="10m", lateness_s=30, default_zone="UTC", **values)


def orders() -> list[Any]:
    return [batch("WorkOrder", [order("O1")], 0, 0)]


def polled(records: list[dict[str, Any]], first: int, torn: int | None = None) -> RawBatch:
    made = batch("MachineCycle", records, 0, first)
    if torn is not None:
        made.values = [value[:-3] if row == torn else value for row, value in enumerate(made.values) if value]
    return made


def again(record: dict[str, Any], offset: int, replay: int, *, torn: bool = False, letter: int = BAD) -> RawBatch:
    """The record sent again, at the end of its partition."""
    made = polled([record], offset, 0 if torn else None)
    headers = replay_headers(f"machine-cycle/0/{letter}", replay)
    made.headers = lambda _row: headers
    return made


def records(numbered: bool) -> list[dict[str, Any]]:
    return [cycle(n, "A", n * 5.0, **({} if numbered else {"sequence": None})) for n in range(COUNT)]


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("stops", [(None,), (1, 1, None)])
def test_a_mended_record_is_accepted_once_however_often_it_is_sent(
    numbered: bool, stops: tuple[int | None, ...], tmp_path: Path
) -> None:
    made = records(numbered)
    mended = [again(made[BAD], COUNT + n, 1) for n in range(3)]
    lane, consumer = [polled(made, 0, BAD), *mended], Consumer()
    for stop in stops:
        run(settings(), Script([lane], orders(), stop), consumer, tmp_path / "state")
    assert consumer.total() == Decimal(COUNT)
    assert list(consumer.letters) == [f"machine-cycle/0/{BAD}"]
    counts = consumer.counts["lane-00"]
    assert counts["read:MachineCycle"] == COUNT + 3
    assert (counts["accepted:MachineCycle"], counts["duplicates:MachineCycle"]) == (COUNT, 2)


def test_a_record_that_is_refused_again_is_the_same_letter_with_the_number_of_the_replay() -> None:
    made = records(numbered=True)
    lane = [polled(made, 0, BAD), again(made[BAD], COUNT, 1, torn=True), again(made[BAD], COUNT + 1, 2, torn=True)]
    consumer = Consumer()
    run(settings(), Script([lane], orders()), consumer)
    [letter] = consumer.letters.values()
    assert (letter.event_id, letter.revision, letter.offset) == (f"machine-cycle/0/{BAD}", 2, COUNT + 1)
    assert (letter.error_class, letter.owner) == ("transport", "shop-floor")


def test_a_header_that_names_another_partition_s_letter_is_left_alone() -> None:
    """Somebody who copies records with their headers must not overwrite letters of other places."""
    made = records(numbered=True)
    copied = again(made[BAD], COUNT, 1, torn=True)
    headers = replay_headers("machine-cycle/7/50", 1)
    copied.headers = lambda _row: headers
    consumer = Consumer()
    run(settings(), Script([[polled(made, 0), copied]], orders()), consumer)
    assert list(consumer.letters) == [f"machine-cycle/0/{COUNT}"]


def test_without_the_header_each_failed_replay_is_one_letter_more() -> None:
    """Negative control."""
    made = records(numbered=True)
    lane = [polled(made, 0, BAD), *(polled([made[BAD]], COUNT + n, 0) for n in range(3))]
    consumer = Consumer()
    run(settings(), Script([lane], orders()), consumer)
    assert len(consumer.letters) == 4


def test_a_clock_that_was_ahead_is_mended_by_sending_the_record_again_later() -> None:
    made = records(numbered=True)
    first = polled(made, 0)
    first.timestamps = first.timestamps - np.where(np.arange(COUNT) == BAD, 3_600_000, 0)
    consumer = Consumer()
    run(settings(), Script([[first]], orders()), consumer)
    assert [letter.reason for letter in consumer.letters.values()] == ["future_event_time"]
    assert consumer.total() == Decimal(COUNT - 1)
    consumer = Consumer()
    run(settings(), Script([[first, again(made[BAD], COUNT, 1)]], orders()), consumer)
    assert consumer.total() == Decimal(COUNT)


def test_a_bulk_replay_of_what_still_fails_does_not_stop_the_flow() -> None:
    """It adds no letter, so there is nothing to protect the store from."""
    made = records(numbered=True)
    lane = [polled(made, 0, BAD), *(again(made[BAD], COUNT + n, n + 1, torn=True) for n in range(50))]
    consumer = Consumer()
    run(settings(reject_window=10, reject_share=0.1), Script([lane], orders()), consumer)
    assert len(consumer.letters) == 1
