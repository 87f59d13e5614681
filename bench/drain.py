"""The yardstick: what it costs a process only to read a topic."""

from __future__ import annotations

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from bench.process import Result, command_line, cpu_seconds, peak_rss_mib


def measure(bootstrap: str, topic: str, n: int) -> Result:
    """Read `n` records with `Consumer.consume(10000)` and touch each value; start-up is not counted.

    Raises:
        KafkaException: When the broker reports an error, or nothing arrives for 30 s.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-drain",
            "enable.auto.commit": False,
            # By default a full queue pauses fetching for a second: the same CPU, eight times as long.
            "fetch.queue.backoff.ms": 10,
        }
    )
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    cpu, wall = cpu_seconds(), time.perf_counter()
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    volume = _drain(consumer, n)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    consumer.close()
    return {
        "records": n,
        "bytes": volume,
        "cpu_s": cpu,
        "wall_s": wall,
        "per_cpu_s": n / cpu,
        "peak_rss_mib": peak_rss_mib(),
    }


def _drain(consumer: Consumer, n: int) -> int:
    read = volume = 0
    while read < n:
        messages = consumer.consume(10_000, timeout=30)
        if not messages:
            raise KafkaException(f"nothing arrived for 30 s after {read} of {n} records")
        for message in messages:
            if (error := message.error()) is not None:
                raise KafkaException(error)
            volume += len(message.value() or b"")
        read += len(messages)
    return volume


if __name__ == "__main__":
    command_line(measure)
