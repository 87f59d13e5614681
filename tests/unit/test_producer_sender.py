"""The sender of the producer kit with a broker that refuses, answers out of order, or breaks the client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.errors import MillraceError
from millrace.producer import Producer
from millrace.producer.sender import wait_until
from tests.producing import cycle


class Error:
    """A broker's refusal."""

    def str(self) -> str:
        return "Broker: Topic authorization failed"


class Broker:
    """What every client of a test writes to.

    Args:
        refusals: Places in the order of sending, over all clients, that are refused.
    """

    def __init__(self, *refusals: int, breaks: bool = False) -> None:
        self.refusals, self.breaks = set(refusals), breaks
        self.sent = 0
        self.taken: list[bytes] = []

    def client(self, _settings: Any, logger: object) -> Client:
        assert logger
        return Client(self)


class Client:
    """One connection; answers come at the next poll, newest first."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._answers: list[Callable[[], None]] = []

    def produce(self, _topic: str, value: bytes, key: bytes, on_delivery: Callable[[Any, Any], None]) -> None:
        if self._broker.breaks:
            raise ZeroDivisionError(key)
        error = Error() if self._broker.sent in self._broker.refusals else None
        self._broker.sent += 1
        if error is None:
            self._broker.taken.append(value)
        self._answers.append(lambda: on_delivery(error, None))

    def poll(self, _seconds: float) -> None:
        while self._answers:
            self._answers.pop()()

    def purge(self) -> None:
        self._answers.clear()

    def flush(self, _seconds: float) -> None:
        self.poll(0)

    def close(self) -> None:
        self._broker = Broker()


Make = Callable[[Broker], Producer]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Producer] = []

    def producer(broker: Broker) -> Producer:
        monkeypatch.setattr("millrace.producer.sender.Producer", broker.client)
        monkeypatch.setattr("millrace.producer.sender._PAUSE_S", 0.01)
        made.append(Producer({"bootstrap.servers": "none"}, tmp_path))
        return made[-1]

    yield producer
    for each in made:
        each.close()


def test_after_a_refusal_everything_from_it_on_is_sent_again_in_order(make: Make) -> None:
    """What the broker took behind it arrives twice; nothing is missing and nothing overtakes in effect."""
    broker = Broker(3, 7)
    producer = make(broker)
    producer.send(*(cycle(number) for number in range(1, 7)))
    assert producer.flush(20) == 0
    first_arrivals = list(dict.fromkeys(broker.taken))
    assert len(first_arrivals) == 6
    assert broker.sent == 6 + 3 + 2
    assert producer.status.trouble == ""


def test_what_the_broker_refuses_is_said_and_kept(make: Make) -> None:
    producer = make(Broker(*range(100_000)))
    producer.send(cycle(1), cycle(2))
    assert wait_until(lambda: producer.status.trouble != "", 20)
    assert producer.status.trouble == "machine-cycle: Broker: Topic authorization failed"
    assert producer.status.waiting == 2


def test_a_call_after_the_sender_broke_says_so(make: Make) -> None:
    """An event that nobody would send is not accepted."""
    producer = make(Broker(breaks=True))
    producer.send(cycle(1))
    assert wait_until(lambda: producer._sender.died is not None, 20)
    with pytest.raises(MillraceError, match="the producer has ended") as told:
        producer.send(cycle(2))
    assert isinstance(told.value.__cause__, ZeroDivisionError)
    assert producer.flush(20) == 1
