"""What waits for the registry or for room is neither lost nor passed by."""

from __future__ import annotations

import numpy as np
import pytest

from millrace.errors import NoRoom, Retriable
from schemas.batch import RawBatch
from sources.waiting import Waiting


def batch(topic: str, partitions: list[int], offsets: list[int]) -> RawBatch:
    places = np.array(partitions, np.int32), np.array(offsets, np.int64)
    return RawBatch(topic, [b""] * len(offsets), *places, np.zeros(len(offsets), np.int64))


class Rule:
    """Takes batches until it is to stop."""

    def __init__(self, stop: Retriable | None, after: int) -> None:
        self.stop, self.after, self.taken = stop, after, 0

    def __call__(self, each: RawBatch) -> RawBatch:
        if self.stop is not None and self.taken == self.after:
            raise self.stop
        self.taken += 1
        return each


BATCHES = [batch("a", [0, 1, 0], [5, 9, 6]), batch("b", [0], [2]), batch("a", [1, 0], [10, 7])]
READ = {("a", 0): 8, ("a", 1): 11, ("b", 0): 3}


@pytest.mark.parametrize("stop", [Retriable("away"), NoRoom("full")])
def test_the_first_that_cannot_go_on_waits_with_all_behind_it(stop: Retriable) -> None:
    waiting = Waiting()
    assert waiting.through(BATCHES, Rule(stop, 1)) == BATCHES[:1]
    assert (bool(waiting), waiting.why) == (True, stop)
    assert waiting.before(READ) == {("a", 0): 7, ("a", 1): 10, ("b", 0): 2}
    assert waiting.places == {("a", 0), ("a", 1), ("b", 0)}
    assert waiting.or_else(lambda: pytest.fail("polled while something waits")) == BATCHES[1:]


def test_once_it_goes_on_nothing_waits_and_the_next_is_polled() -> None:
    waiting = Waiting()
    waiting.through(BATCHES, Rule(Retriable("away"), 0))
    assert waiting.before(READ) == {("a", 0): 5, ("a", 1): 9, ("b", 0): 2}
    assert waiting.through(waiting.or_else(list), Rule(None, 0)) == BATCHES
    assert (bool(waiting), waiting.why, waiting.places) == (False, None, set())
    assert waiting.before(READ) == READ
    assert waiting.or_else(lambda: BATCHES[:1]) == BATCHES[:1]
