"""Sends the simulated plant's records to the broker, faster than real time, in the order of their arrival."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from millrace.errors import MillraceError
from sandbox.plant import Emission, Plant
from sandbox.plant_layout import TOPICS
from sandbox.plant_wire import to_wire
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas

STEP_S = 0.05
CYCLES = TOPICS["MachineCycle"]


class Feed(threading.Thread):
    """The plant's way to the broker; a thread, so that nothing else of the demo holds it up.

    `opening` sends what the ERP tells before the day begins, `start` begins the day. `sent` counts by topic
    what the broker took, `hours` are those with cycles, `reached` is how many seconds of the day are over.

    Args:
        plant: The day.
        bootstrap: Address of the broker.
        seconds: Wall-clock seconds that the day takes.
    """

    def __init__(self, plant: Plant, bootstrap: str, seconds: float) -> None:
        super().__init__(name="feed", daemon=True)
        self._emissions: Sequence[Emission] = list(plant.stream())
        self._times = [emission.at for emission in self._emissions]
        self._start, self._seconds = plant.start, seconds
        self.plant_seconds = max((self._times[-1] - plant.start).total_seconds(), 1.0)
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        )
        self._codecs: dict[str, Codec] = {}
        self._schemas = FolderSchemas()
        self._next = 0
        self._halt = threading.Event()
        self.sent: Counter[str] = Counter()
        self.hours: set[int] = set()
        self.reached = 0.0
        self.error: str | None = None

    @property
    def done(self) -> bool:
        """Everything was taken by the broker."""
        return self._next == len(self._emissions) and not self.is_alive()

    def opening(self) -> None:
        """Send everything that arrives before the day begins, and wait for the broker."""
        self._send(bisect_left(self._times, self._start))
        self._flush()

    def run(self) -> None:
        """Send the day; an error is kept for the main thread."""
        begun = time.monotonic()
        try:
            while self._next < len(self._emissions) and not self._halt.wait(STEP_S):
                passed = (time.monotonic() - begun) / self._seconds
                self.reached = min(passed, 1.0) * self.plant_seconds
                until = datetime.fromtimestamp(self._start.timestamp() + self.reached, UTC)
                self._send(bisect_right(self._times, until) if passed < 1 else len(self._times))
            self._flush()
        except (MillraceError, BufferError) as error:
            self.error = str(error)

    def halt(self) -> None:
        """Send nothing more."""
        self._halt.set()

    def _send(self, until: int) -> None:
        due, self._next = self._emissions[self._next : until], until
        for emission, value in to_wire(due, self._encode):
            if emission.topic == CYCLES and emission.fault is None and isinstance(emission.body, Mapping):
                self.hours.add(int(emission.body["event_time"].timestamp()) // 3600)
            self._producer.produce(
                emission.topic,
                value,
                key=emission.key.encode(),
                timestamp=int(emission.at.timestamp() * 1000),
                on_delivery=self._delivered,
            )
        self._producer.poll(0)

    def _encode(self, name: str, records: Sequence[Mapping[str, Any]]) -> list[bytes]:
        if name not in self._codecs:
            self._codecs[name] = Codec(contract(name), self._schemas)
        return self._codecs[name].encode([dict(record) for record in records])

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.error = f"the broker refused a record: {error.str()}"
        else:
            self.sent[str(message.topic())] += 1

    def _flush(self) -> None:
        if self._producer.flush(10):
            raise MillraceError("the broker did not take all records within 10 s")
