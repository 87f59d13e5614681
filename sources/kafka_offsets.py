"""Offsets of a topic's partitions: the bounds of its log, and where a time begins; asks, never reads.

Delivery: none; nothing is read or committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from confluent_kafka import Consumer, KafkaException, TopicPartition

from millrace.errors import Misconfigured

_TIMEOUT_S = 30.0
Place = tuple[str, int]


def bounds(client: Mapping[str, str], places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
    """Earliest offset that the log holds, and the one that its next record will get.

    Raises:
        Misconfigured: The broker does not answer.
    """
    with _consumer(client) as consumer:
        return {place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=_TIMEOUT_S) for place in places}


def at_time(client: Mapping[str, str], places: Iterable[Place], when: datetime) -> dict[Place, int]:
    """Offset of the first record whose timestamp in the log is `when` or later; the end where there is none.

    Raises:
        Misconfigured: The broker does not answer.
    """
    wanted = list(places)
    ends = bounds(client, wanted)
    milliseconds = int(when.timestamp() * 1000)
    with _consumer(client) as consumer:
        asked = [TopicPartition(topic, partition, milliseconds) for topic, partition in wanted]
        found = consumer.offsets_for_times(asked, timeout=_TIMEOUT_S)
    at = {(each.topic, each.partition): each.offset for each in found}
    return {place: at[place] if at[place] >= 0 else ends[place][1] for place in wanted}


@contextmanager
def _consumer(client: Mapping[str, str]) -> Iterator[Consumer]:
    consumer = Consumer({**client, "group.id": "millrace-offsets", "enable.auto.commit": False, "log_level": 0})
    try:
        yield consumer
    except KafkaException as error:
        told = error.args[0].str()
        raise Misconfigured(f"offsets cannot be known at {client['bootstrap.servers']}: {told}") from error
    finally:
        consumer.close()


__all__ = ["Place", "at_time", "bounds"]
