"""Wire bytes to one topic.

Delivery: at least once; `send` returns when the broker has taken all of a batch. A replay sends the batch again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from millrace.errors import MillraceError


class RecordSender:
    """Producer of one topic.

    Args:
        client: Configuration of the connection.
        topic: Topic; it has to exist.
    """

    def __init__(self, client: Mapping[str, Any], topic: str) -> None:
        self._producer = Producer({**client, "enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 0})
        self._topic = topic
        self._failed: KafkaError | None = None

    def send(self, keys: Sequence[str], values: Sequence[bytes]) -> None:
        """Send records in this order and wait for the broker; records of one key stay in order.

        Raises:
            MillraceError: The broker refused one; others of the batch may stand.
        """
        for key, value in zip(keys, values, strict=True):
            self._produce(key.encode(), value)
        while self._producer.flush(5) and self._failed is None:
            continue
        if self._failed is not None:
            raise MillraceError(f"{self._topic}: the broker refused a record: {self._failed.str()}")

    def _produce(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key=key, on_delivery=self._delivered)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failed = self._failed or error
