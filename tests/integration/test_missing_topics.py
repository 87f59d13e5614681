"""A start that asks a real broker for topics that are not there, or not yet."""

from __future__ import annotations

import threading
import time

import pytest

from millrace.errors import Misconfigured
from millrace.kafka_login import START_WAIT_S
from sources.kafka import ABSENT_S, partition_counts
from sources.kafka_settings import KafkaSettings
from tests.servers import Kafka

pytestmark = pytest.mark.server


def test_a_topic_that_the_broker_does_not_know_is_told_in_seconds(kafka: Kafka) -> None:
    """And not after the minute that a broker has for its own start."""
    client = KafkaSettings(bootstrap=kafka.bootstrap).client()
    begun = time.monotonic()
    with pytest.raises(Misconfigured, match=rf"topic nowhere does not exist at {kafka.bootstrap}"):
        partition_counts(client, ["nowhere"])
    assert ABSENT_S <= time.monotonic() - begun < START_WAIT_S / 2


def test_a_topic_that_is_made_a_moment_later_is_found(kafka: Kafka) -> None:
    later = threading.Timer(ABSENT_S / 3, kafka.create_topic, ["a-moment-later", 3])
    later.start()
    try:
        client = KafkaSettings(bootstrap=kafka.bootstrap).client()
        assert partition_counts(client, ["a-moment-later"]) == {"a-moment-later": 3}
    finally:
        later.join()
