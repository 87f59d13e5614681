"""Reads a topic from where a group stands, and moves the group on when told: for work that keeps no state of its own.

Delivery: at least once, if `commit` is called after the work on a batch is durable. A replay starts at the last commit.
The group's partitions are assigned, not shared out: two readers of one group read all, each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from millrace.errors import Misconfigured, Retriable
from schemas.batch import RawBatch
from sources.kafka import partition_counts
from sources.kafka_poll import Failure, MessagePoll

_POLL_S = 0.5
_BATCH = 2_000
_TIMEOUT_S = 30.0
_PATIENCE_S = 60.0
#: Not called retriable by the client where it only answers a question.
_PASSING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._WAIT_COORD,
}


class ProgressReader:
    """One topic and one group.

    Args:
        client: Configuration of the connection.
        topic: Topic.
        group: Group whose offsets say where to go on; a new one begins at the topic's beginning.

    Raises:
        Misconfigured: The topic does not exist, or the broker refuses us.
    """

    def __init__(self, client: Mapping[str, Any], topic: str, group: str) -> None:
        count = partition_counts(client, [topic])[topic]
        ours = {"group.id": group, "enable.auto.commit": False, "enable.auto.offset.store": False}
        self._consumer = Consumer({**client, **ours, "auto.offset.reset": "error"})
        self._topic, self._group = topic, group
        self._ends = self._assign(count)
        self._poll = MessagePoll(self._consumer, _BATCH)

    def _assign(self, count: int) -> dict[int, int]:
        """Go on where the group stands; returns the ends of the partitions that have something to read."""
        ends: dict[int, int] = {}
        places = self._committed([TopicPartition(self._topic, partition) for partition in range(count)])
        for place in places:
            low, high = self._ask(self._consumer.get_watermark_offsets, place)
            place.offset = place.offset if place.offset >= 0 else low
            if place.offset < high:
                ends[place.partition] = high
        self._consumer.assign(places)
        return ends

    def _committed(self, places: list[TopicPartition]) -> list[TopicPartition]:
        found: list[TopicPartition] = self._ask(self._consumer.committed, places)
        for place in found:
            if place.error is not None:
                raise Misconfigured(f"{self._topic}: where group {self._group} stands is not told: {place.error.str()}")
        return found

    def _ask(self, question: Callable[..., Any], about: Any) -> Any:
        """An answer; a broker that has just started, or moves the group, may need some seconds for it."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return question(about, timeout=_TIMEOUT_S)
            except KafkaException as error:
                if not _passes(error) or time.monotonic() > deadline:
                    told = f"where group {self._group} stands cannot be known: {error.args[0].str()}"
                    raise Misconfigured(f"{self._topic}: {told}") from error
                time.sleep(0.2)

    def poll(self) -> list[RawBatch]:
        """What is there, after half a second at most.

        Raises:
            Misconfigured: Records were deleted before they were read, or the broker refuses us.
        """
        polled = self._poll.poll(_POLL_S)
        for failure in polled.failures:
            self._refuse(failure)
        return polled.batches

    def at_end(self) -> bool:
        """Whether everything was read that the topic held at the start."""
        for place in self._consumer.position([TopicPartition(self._topic, partition) for partition in self._ends]):
            if place.offset >= self._ends[place.partition]:
                del self._ends[place.partition]
        return not self._ends

    def commit(self, batch: RawBatch) -> None:
        """The group has done with a batch.

        Raises:
            Retriable: The broker did not take it now; the call may be repeated.
            Misconfigured: It refuses.
        """
        following: dict[int, int] = {}
        for partition, offset in zip(batch.partitions.tolist(), batch.offsets.tolist(), strict=True):
            following[partition] = max(offset + 1, following.get(partition, 0))
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in following.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            told = f"group {self._group}: its progress was not taken: {error.args[0].str()}"
            raise (Retriable if _passes(error) else Misconfigured)(told) from error

    def close(self) -> None:
        """Leave the cluster."""
        self._consumer.close()

    def _refuse(self, failure: Failure) -> None:
        """What waiting can't mend; the client repeats the rest by itself."""
        place = f"{failure.topic}/{failure.partition}" if failure.topic else f"group {self._group}"
        if failure.error.code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
            raise Misconfigured(
                f"{place}: records were deleted before group {self._group} had read them; "
                "to go on with what is left, reset its offsets (kafka-consumer-groups.sh --reset-offsets)"
            )
        if failure.error.fatal() or not failure.error.retriable():
            raise Misconfigured(f"{place}: {failure.error.str()}")


def _passes(error: KafkaException) -> bool:
    cause: KafkaError = error.args[0]
    return bool(cause.retriable()) or cause.code() in _PASSING
