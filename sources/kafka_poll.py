"""What one poll brought, as batches: read from the client's message objects.

Delivery: none of its own; `KafkaReader` keeps the offsets. `kafka_columns` does the same several times faster where
it can; this way works with every release of the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol, cast

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message

from schemas.batch import Header, RawBatch

_SECOND = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that the client told instead of a record.

    Args:
        topic: Topic it is about, or "".
        partition: Partition it is about, or -1.
        error: What happened.
    """

    topic: str
    partition: int
    error: KafkaError


@dataclass(frozen=True, slots=True)
class Polled:
    """One poll: a batch per topic, what failed, and what the client goes on trying by itself."""

    batches: list[RawBatch] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    passing: list[Failure] = field(default_factory=list)


class Poll(Protocol):
    """A way to take what the client has fetched."""

    def poll(self, wait: float = 0.0) -> Polled:
        """What is there, after waiting some seconds for a full batch; headers of the former poll's records are gone."""
        ...

    def close(self) -> None:
        """Give back what the last poll holds; before the consumer is closed."""
        ...


class MessagePoll:
    """Reads message objects.

    Args:
        consumer: The client, with its partitions assigned.
        most: Most records per poll.
    """

    def __init__(self, consumer: Consumer, most: int) -> None:
        self._consumer, self._most = consumer, most

    def poll(self, wait: float = 0.0) -> Polled:
        """What is there, one batch per topic."""
        messages = self._consumer.consume(self._most, wait)
        failures: list[Failure] = []
        # An error comes as a message whose value is its text, so only this tells it from a record.
        if any(map(Message.error, messages)):
            failures = [_failure(message, error) for message in messages if (error := message.error()) is not None]
            messages = [message for message in messages if message.error() is None]
        names = cast("list[str]", list(map(Message.topic, messages)))
        topics = sorted(set(names))
        if len(topics) == 1:
            return Polled([_batch(topics[0], messages)], failures)
        found = [
            _batch(topic, [m for m, name in zip(messages, names, strict=True) if name == topic]) for topic in topics
        ]
        return Polled(found, failures)

    def close(self) -> None:
        """Nothing is held."""


def _failure(message: Message, error: KafkaError) -> Failure:
    partition = message.partition()
    return Failure(message.topic() or "", -1 if partition is None else partition, error)


def _batch(topic: str, messages: Sequence[Message]) -> RawBatch:
    def column(read: Any, dtype: Any) -> Any:
        return np.fromiter(map(read, messages), dtype, len(messages))

    def headers(row: int) -> Sequence[Header] | None:
        return cast("Sequence[Header] | None", messages[row].headers())

    return RawBatch(
        topic,
        cast("list[bytes | None]", list(map(Message.value, messages))),
        column(Message.partition, np.int32),
        column(Message.offset, np.int64),
        np.fromiter(map(_SECOND, map(Message.timestamp, messages)), np.int64, len(messages)),
        headers,
    )
