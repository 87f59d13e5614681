"""Reads a fixed set of partitions with one consumer: one poll, one batch per topic.

Partitions that run ahead of the slowest in event time are paused until the others have caught up, since a consumer
left alone reads a backlog unevenly and open windows would grow with it. An offset that the log no longer holds is a
loud error; going on anyway is a setting, and what was skipped is told.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from millrace.errors import Misconfigured
from millrace.kafka_login import KafkaLogin
from millrace.metrics.flow import SOURCE_FAILURES
from operators.screen import NO_PROGRESS
from schemas.batch import RawBatch
from sources.kafka_columns import ColumnPoll, available
from sources.kafka_poll import Failure, MessagePoll, Poll

log = structlog.get_logger("millrace.source.kafka")
Place = tuple[str, int]
FULL_BATCH = 2_000
TELL_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """How to read.

    Args:
        client: Configuration of the connection.
        group: Consumer group that offsets are committed to, for lag tools; reading does not depend on it.
        start: Where a partition without a snapshot starts.
        out_of_range: `stop` with an error, or go on at the `earliest` offset that is left.
        batch: Most records per poll.
        queued_kib: Bytes that may be queued in the client per partition.
        ahead: Microseconds of event time that a partition may be ahead of the slowest.
        idle_after: Seconds without data after which a partition counts as idle.
    """

    client: Mapping[str, str]
    group: str
    start: str = "earliest"
    out_of_range: str = "stop"
    batch: int = 10_000
    queued_kib: int = 8192
    ahead: int = 60_000_000
    idle_after: float = 30.0


class KafkaReader:
    """One consumer with assigned partitions.

    Args:
        config: How to read.
        positions: Next offset per (topic, partition); None starts as configured.
    """

    def __init__(self, config: ReaderConfig, positions: Mapping[Place, int | None]) -> None:
        self._config = config
        self.positions: dict[Place, int] = {p: at for p, at in positions.items() if at is not None}
        self._places = list(positions)
        self.unread, self._tell_at = 0, 0.0
        self._paused: set[Place] = set()
        self._last_data = dict.fromkeys(self._places, time.monotonic())
        SOURCE_FAILURES.labels(config.group, "_ALL_BROKERS_DOWN")  # 0 from now on: what first appears has not grown
        self._consumer = Consumer(self._client())
        self._login = KafkaLogin(config.client)
        fresh = {"earliest": -2, "latest": -1}[config.start]
        self._consumer.assign([TopicPartition(t, p, fresh if at is None else at) for (t, p), at in positions.items()])
        self._poll: Poll = (ColumnPoll if available() else MessagePoll)(self._consumer, config.batch)

    def _client(self) -> dict[str, Any]:
        return {
            # The broker holds an answer without records back for so long. Partitions whose offsets are found a moment
            # later wait for it, so at a start the default of half a second stands between a reader and its first batch.
            "fetch.wait.max.ms": 50,
            **self._config.client,
            "group.id": self._config.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "log_level": 0,  # what the client would log many times a second is told once a minute
            "auto.offset.reset": "error" if self._config.out_of_range == "stop" else "earliest",
            "queued.max.messages.kbytes": self._config.queued_kib * max(1, len(self._places)),
            "queued.min.messages": max(10_000, self._config.batch * 2),
            "fetch.max.bytes": 16 * 1024 * 1024,
            "fetch.error.backoff.ms": 100,
            # A full queue asks again after this; the default of a second leaves a reader of a backlog waiting.
            "fetch.queue.backoff.ms": 10,
        }

    def poll(self, wait: float = 0.0) -> list[RawBatch]:
        """What is there, one batch per topic; empty when nothing is.

        Args:
            wait: Seconds to wait for a full batch.

        Raises:
            Misconfigured: An offset is out of range, a topic is unknown or access is refused.
        """
        self._login.renew(self._consumer)
        polled = self._poll.poll(wait)
        if polled.passing:
            self._tell(polled.passing)
        for failure in polled.failures:
            self._refuse(failure)
        for batch in polled.batches:
            self._move(batch)
        return polled.batches

    def _tell(self, passing: Sequence[Failure]) -> None:
        """What the client retries by itself is counted, and logged once a minute."""
        for failure in passing:
            SOURCE_FAILURES.labels(self._config.group, failure.error.name()).inc()
        now = time.monotonic()
        if now >= self._tell_at:
            self._tell_at = now + TELL_EVERY_S
            first = passing[0].error
            log.warning("broker_trouble", flow=self._config.group, failure=first.name(), detail=first.str())

    def _refuse(self, failure: Failure) -> None:
        """What reading on can't mend; the client retries the rest by itself."""
        code = failure.error.code()
        place = f"{failure.topic}/{failure.partition}" if failure.topic else f"group {self._config.group}"
        if code in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
            raise Misconfigured(
                f"{place}: the next offset {self.positions.get((failure.topic, failure.partition))} is no longer "
                "in the log; what was deleted can't be booked. To go on with what is left, set "
                "kafka_out_of_range to earliest for one start (docs/operations.md, section Offset out of range)"
            )
        if failure.error.fatal() or code in _CONFIGURATION:
            raise Misconfigured(f"{place}: {failure.error.str()}")

    def _move(self, batch: RawBatch) -> None:
        now = time.monotonic()
        for partition in np.unique(batch.partitions).tolist():
            mine = batch.offsets[batch.partitions == partition]
            self._tell_skipped(batch.topic, partition, int(mine.min()))
            self.positions[batch.topic, partition] = int(mine.max()) + 1
            self._last_data[batch.topic, partition] = now

    def _tell_skipped(self, topic: str, partition: int, first: int) -> None:
        """Going on after an offset out of range is a choice; how many records that cost is told."""
        expected = self.positions.get((topic, partition), first)
        if first > expected and self._config.out_of_range == "earliest":
            log.warning("offsets_skipped", topic=topic, partition=partition, expected=expected, first=first)

    def align(self, progress: Mapping[str, int]) -> None:
        """Pause partitions too far ahead of the slowest that still has data; let the others go on."""
        idle = self.idle()
        at = {p: progress.get(f"{p[0]}/{p[1]}", NO_PROGRESS) for p in self._places if p not in idle}
        known = {place: time_ for place, time_ in at.items() if time_ > NO_PROGRESS}
        if not known:
            return
        unread = [place for place in at if place not in known and not self._at_end(place)]
        # Where a partition's first record stands in time is not known, so the others wait for it.
        limit = NO_PROGRESS if unread else min(known.values()) + self._config.ahead
        ahead = {place for place, time_ in known.items() if time_ > limit}
        self._switch(self._consumer.pause, ahead - self._paused)
        self._switch(self._consumer.resume, self._paused - ahead)
        self._paused = ahead

    def _switch(self, action: Any, places: set[Place]) -> None:
        if places:
            action([TopicPartition(topic, partition) for topic, partition in places])

    def idle(self) -> set[Place]:
        """Partitions that are read to their end and had nothing for a while."""
        now = time.monotonic()
        quiet = [p for p in self._places if now - self._last_data[p] > self._config.idle_after]
        return {place for place in quiet if place not in self._paused and self._at_end(place)}

    def _at_end(self, place: Place) -> bool:
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        except KafkaException:
            return False
        return bool(high >= 0 and self.positions.get(place, low) >= high)

    def behind(self) -> bool:
        """Whether the log holds a batch worth reading at once, as far as the client knows."""
        self.unread = 0
        for place in self._places:
            if place not in self._paused:
                _, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
                self.unread += max(0, high - self.positions.get(place, 0))
        return self.unread >= FULL_BATCH

    def commit(self, positions: Mapping[Place, int]) -> None:
        """Tell the group where the last durable snapshot stands; for lag tools only, so failures do not matter."""
        offsets = [TopicPartition(topic, partition, at) for (topic, partition), at in positions.items()]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        """Leave the cluster."""
        self._poll.close()
        self._consumer.close()


_CONFIGURATION = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
}
