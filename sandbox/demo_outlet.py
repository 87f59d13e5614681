"""Where the demo's records go: encoded by their contracts, produced to the broker, counted once it took them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from millrace.errors import MillraceError
from sandbox.plant_disturb import Emission
from sandbox.plant_wire import to_wire
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas


class Outlet:
    """One producer; used by one thread.

    Delivery: idempotent producer; a record that the broker refuses is told in `error`.

    Args:
        bootstrap: Address of the broker.
    """

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        )
        self._codecs: dict[str, Codec] = {}
        self._schemas = FolderSchemas()
        self.sent: Counter[str] = Counter()
        self.error: str | None = None

    def send(self, emissions: Sequence[Emission]) -> None:
        """Produce records with the time of their arrival."""
        for emission, value in to_wire(emissions, self._encode):
            self._producer.produce(
                emission.topic,
                value,
                key=emission.key.encode(),
                timestamp=int(emission.at.timestamp() * 1000),
                on_delivery=self._delivered,
            )
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait for the broker.

        Raises:
            MillraceError: It did not take all records.
        """
        if self._producer.flush(10):
            raise MillraceError("the broker did not take all records within 10 s")

    def _encode(self, name: str, records: Sequence[Mapping[str, Any]]) -> list[bytes]:
        if name not in self._codecs:
            self._codecs[name] = Codec(contract(name), self._schemas)
        return self._codecs[name].encode([dict(record) for record in records])

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.error = f"the broker refused a record: {error.str()}"
        else:
            self.sent[str(message.topic())] += 1
