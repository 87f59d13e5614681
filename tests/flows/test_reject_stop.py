"""A flow that refuses most of what it reads stops with one sentence, and loses or doubles nothing over the stop."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bytewax.errors import BytewaxRuntimeError

from dataflows.run import own_error
from dataflows.settings import ConfirmationsSettings
from operators.reject_guard import MostRefused
from tests.flows.memory import Consumer, Script, batch, cycle, order, run

GOOD, BAD = 20, 60


def settings(**values: Any) -> ConfirmationsSettings:
    return ConfirmationsSettings(window="10m", lateness_s=30, default_zone="UTC", reject_window=100, **values)


def log(bad: int, per_batch: int = 10) -> list[Any]:
    """Batches of one partition: good ones with one torn record each, `bad` ones of torn records, good ones again."""
    batches = []
    for number in range(GOOD + bad + GOOD):
        first = number * per_batch
        records = [cycle(n, "A", n * 5.0) for n in range(first, first + per_batch)]
        polled = batch("MachineCycle", records, 0, first)
        torn = per_batch if GOOD <= number < GOOD + bad else 1
        polled.values = [value[:-3] if row < torn else value for row, value in enumerate(polled.values)]
        batches.append(polled)
    return batches


def orders() -> list[Any]:
    return [batch("WorkOrder", [order("O1")], 0, 0)]


def stops(config: ConfirmationsSettings, lane: list[Any], consumer: Consumer, state: Path) -> MostRefused:
    with pytest.raises(BytewaxRuntimeError) as caught:
        run(config, Script([lane], orders()), consumer, state)
    error = own_error(caught.value)
    assert isinstance(error, MostRefused)
    return error


def test_the_flow_stops_before_the_store_is_full_and_goes_on_exactly_when_told_to(tmp_path: Path) -> None:
    lane, consumer = log(BAD), Consumer()
    error = stops(settings(), lane, consumer, tmp_path / "state")
    assert "truncated" in str(error)
    assert len(consumer.letters) < GOOD + 100
    run(settings(reject_share=1), Script([lane], orders()), consumer, tmp_path / "state")
    assert consumer.total() == Decimal(2 * GOOD * 9)
    assert len(consumer.letters) == 2 * GOOD + BAD * 10


def test_a_flow_that_is_started_again_and_again_does_not_fill_the_store_bit_by_bit(tmp_path: Path) -> None:
    lane, consumer = log(BAD), Consumer()
    stops(settings(), lane, consumer, tmp_path / "state")
    letters = len(consumer.letters)
    for _ in range(5):
        stops(settings(), lane, consumer, tmp_path / "state")
    assert len(consumer.letters) == letters


def test_after_the_cause_is_mended_the_flow_goes_on_by_itself(tmp_path: Path) -> None:
    """A schema that the registry did not know is known now: the same bytes are read well."""
    consumer = Consumer()
    stops(settings(), log(BAD), consumer, tmp_path / "state")
    mended = log(0)[:GOOD] + [
        batch("MachineCycle", [cycle(n, "A", n * 5.0) for n in range(at * 10, at * 10 + 10)], 0, at * 10)
        for at in range(GOOD, GOOD + BAD)
    ]
    run(settings(), Script([mended], orders()), consumer, tmp_path / "state")
    refused = {letter.offset for letter in consumer.letters.values()}
    assert consumer.total() == Decimal(len(mended) * 10 - len(refused))


def test_with_the_guard_off_every_bad_record_lands_in_the_store(tmp_path: Path) -> None:
    """Negative control."""
    consumer = Consumer()
    run(settings(reject_share=1), Script([log(BAD)], orders()), consumer, tmp_path / "state")
    assert len(consumer.letters) > BAD * 10
