"""Load on a broker: records of the simulated plant, run after run, at a given rate and with times of now.

Contracts that the plant does not speak get records derived from their schema (`schemas.samples`). Every record keeps
its contract; only with `faults` come the plant's broken ones, too.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from millrace.errors import MillraceError
from sandbox.plant import Emission, Plant
from sandbox.plant_layout import TOPICS, WORK_CENTERS
from sandbox.plant_wire import to_wire
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import SchemaSource
from schemas.samples import sample

#: Records prepared at a time for contracts that the plant does not speak.
_SAMPLES = 1_000
_START = datetime(2026, 3, 2, 5, tzinfo=UTC)
_HOURS = 6.0
_STEP_S = 0.02


def emissions(names: Sequence[str], seed: int, *, faults: bool = False, hours: float = _HOURS) -> Iterator[Emission]:
    """Records without end; numbers of a source go on rising from run to run of the plant, ids never repeat.

    Args:
        names: Contracts.
        seed: Start of the random numbers.
        faults: Let the plant's broken records through.
        hours: Length of one run of the plant; the next follows at once.
    """
    plant = [name for name in names if name in TOPICS]
    others = [name for name in names if name not in TOPICS]
    numbers = _Numbers(seed)
    run = seed
    while True:
        if plant:
            wanted = {TOPICS[name] for name in plant}
            for each in Plant(run, _START, hours).stream():
                if each.topic in wanted and (faults or each.fault is None):
                    yield numbers.of_run(each, run)
            numbers.next_run()
        for name in others:
            yield from _samples(name, run)
        run += 1


def _samples(name: str, seed: int) -> Iterator[Emission]:
    found = contract(name)
    for record in sample(found, _SAMPLES, seed):
        body = {**record, "sequence": None}
        yield Emission(record["event_time"], found.topic, str(record[found.key]), name, body)


class _Numbers:
    """Sequences and ids that go on from run to run; a load with a higher seed begins above one with a lower."""

    def __init__(self, seed: int) -> None:
        self._modulus = {center.name: center.modulus for center in WORK_CENTERS if center.modulus}
        self._first = seed * 10_000_000
        self._base: Counter[tuple[str, str]] = Counter()
        self._last: Counter[tuple[str, str]] = Counter()

    def of_run(self, emission: Emission, run: int) -> Emission:
        if not isinstance(emission.body, Mapping):
            return emission
        body = {**emission.body, "event_id": f"{emission.body['event_id']}-{run}"}
        if body.get("sequence") is not None:
            body["sequence"] = self._number(str(body["source"]), emission.topic, int(body["sequence"]))
        return dataclasses.replace(emission, body=body)

    def _number(self, source: str, topic: str, number: int) -> int:
        if source in self._modulus:
            return number
        self._last[source, topic] = max(self._last[source, topic], number)
        return self._first + self._base[source, topic] + number

    def next_run(self) -> None:
        for scope, last in self._last.items():
            self._base[scope] += last
        self._last.clear()


def of_now(stream: Iterator[Emission], now: Callable[[], datetime]) -> Iterator[Emission]:
    """The same records with their arrival at now; a record that is sent again keeps its first times."""
    shifts: dict[str, timedelta] = {}
    for emission in stream:
        shift = now() - emission.at
        if isinstance(emission.body, Mapping):
            shift = shifts.setdefault(str(emission.body["event_id"]), shift)
            if len(shifts) > 500_000:
                shifts.clear()
            body = {n: v + shift if isinstance(v, datetime) else v for n, v in emission.body.items()}
            yield dataclasses.replace(emission, at=now(), body=body)
        else:
            yield dataclasses.replace(emission, at=now())


class Load:
    """Sends records at a rate until told to stop.

    Args:
        client: Configuration of the connection.
        schemas: Where ids of schemas come from.
        names: Contracts.
        rate: Records per second.
        seed: Start of the random numbers; a later run takes a higher one.
        faults: Send broken records, too.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        client: Mapping[str, str],
        schemas: SchemaSource,
        names: Sequence[str],
        rate: float,
        seed: int,
        *,
        faults: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer = Producer({**client, "enable.idempotence": True, "linger.ms": 5})
        self._codecs = {name: Codec(contract(name), schemas) for name in names}
        self._stream = of_now(emissions(names, seed, faults=faults), lambda: datetime.now(UTC))
        self._rate, self._clock = rate, clock
        self.sent: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def run(self, seconds: float | None, most: int | None, pause: Callable[[float], Any] = time.sleep) -> None:
        """Send until the time is over, so many are sent, or the caller is interrupted; then wait for the broker.

        Raises:
            MillraceError: The broker took nothing of what is left within 30 s.
            Retriable: The registry does not answer.
        """
        begun = self._clock()
        try:
            while not self._over(passed := self._clock() - begun, seconds, most):
                due = int(passed * self._rate) + 1 - self.sent.total()
                if most is not None:
                    due = min(due, most - self.sent.total())
                self._send(min(due, 10_000))
                pause(_STEP_S)
        finally:
            left = self._producer.flush(30)
            self._producer.close()
            if left:
                raise MillraceError("the broker did not take all records within 30 s")

    def _over(self, passed: float, seconds: float | None, most: int | None) -> bool:
        return (seconds is not None and passed >= seconds) or (most is not None and self.sent.total() >= most)

    def _send(self, count: int) -> None:
        chosen = [next(self._stream) for _ in range(count)]
        for emission, value in to_wire(chosen, self._encode):
            self._producer.produce(emission.topic, value, key=emission.key.encode(), on_delivery=self._delivered)
            self.sent[emission.topic] += 1
        self._producer.poll(0)

    def _encode(self, name: str, records: Sequence[Mapping[str, Any]]) -> list[bytes]:
        return self._codecs[name].encode([dict(record) for record in records])

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.taken[str(message.topic())] += 1
        else:
            self.refused[error.str()] += 1
