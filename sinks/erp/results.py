"""Outcomes of postings, and alerts, to Kafka topics.

Delivery: at least once, in the order of the outbox but for what replicas wrote at the same time. A restart repeats what
was not yet confirmed or is younger than the grace, with the same `event_id`. Posting does not wait for any of it: a
broker that is down delays results and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog
from confluent_kafka import KafkaError, Message, Producer

from millrace.errors import Retriable
from millrace.kafka_login import KafkaLogin
from millrace.ledger import Ledger
from millrace.ledger.ledger import LEDGER_DOWN
from millrace.ledger.outbox import Outbox, Outgoing
from millrace.ledger.results import RESULTS
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas, RegistrySchemas
from sinks.erp.results_settings import ResultsSettings

log = structlog.get_logger("millrace.post")
#: An outcome may become visible after one with a higher number, but no later than this (microseconds).
_GRACE = 30_000_000
_BATCH = 500


class Topic(Protocol):
    """Where results go."""

    def send(self, found: Sequence[Outgoing]) -> bool:
        """Send; False where not all of it was confirmed."""
        ...


class KafkaTopic:
    """A topic of a cluster.

    Args:
        settings: Which.
        patience: Seconds that a round waits for the broker.
        outbox: What is published.
    """

    def __init__(self, settings: ResultsSettings, patience: float = 10.0, outbox: Outbox = RESULTS) -> None:
        schemas = RegistrySchemas(settings.registry) if settings.registry else FolderSchemas()
        self._codec = Codec(contract(outbox.contract), schemas)
        self._key = contract(outbox.contract).key
        configuration = settings.configuration()
        self._login = KafkaLogin(configuration, settings.secrets.get("sasl.password"))
        self._producer = Producer(
            {
                **configuration,
                "acks": "all",
                "linger.ms": 5,
                "max.in.flight.requests.per.connection": 1,  # in order without a session that a time-out would end
                "message.timeout.ms": int(patience * 1000),
            }
        )
        self._topic = settings.topic_of(outbox.contract)
        self._patience = patience
        self._failed: KafkaError | None = None

    def send(self, found: Sequence[Outgoing]) -> bool:
        """Send and wait for the broker; what it has not confirmed in time is given up, to be sent again.

        Raises:
            Retriable: The registry does not answer.
        """
        self._failed = None
        self._login.renew(self._producer)
        values = self._codec.encode([dict(each.record) for each in found])
        for each, value in zip(found, values, strict=True):
            key = str(each.record[self._key]).encode()
            self._producer.produce(self._topic, value, key=key, on_delivery=self._delivered)
        unconfirmed: int = self._producer.flush(self._patience + 5)
        return unconfirmed == 0 and self._failed is None

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failed = self._failed or error


class Publisher:
    """Publishes what the outbox has and the topic has not.

    Args:
        ledger: Whose outbox.
        topic: Where it goes.
        outbox: What is published.
    """

    def __init__(self, ledger: Ledger, topic: Topic, outbox: Outbox = RESULTS) -> None:
        self._ledger = ledger
        self._topic = topic
        self._outbox = outbox
        self._young: set[int] = set()

    def round(self) -> int:
        """Publish some outcomes. Returns how many; 0 where there is nothing new or the topic does not take it."""
        outbox = self._outbox
        old = self._ledger.ask(outbox.position)
        found = self._ledger.ask(lambda connection: outbox.after(connection, old, _BATCH + len(self._young)))
        fresh = [each for each in found if each.number not in self._young]
        if fresh and not self._topic.send(fresh):
            log.warning("results_unconfirmed", contract=outbox.contract, count=len(fresh))
            return 0
        self._young.update(each.number for each in fresh)
        settled = [each.number for each in found if each.at < self._ledger.now() - _GRACE]
        if settled:
            new = max(settled)
            self._ledger.change(lambda engine, connection, _now: outbox.move(engine, connection, old, new))
            self._young = {number for number in self._young if number > new}
        return len(fresh)

    async def run(self, stop: asyncio.Event, pause: float = 1.0) -> None:
        """Publish until told to stop."""
        while not stop.is_set():
            try:
                count = await asyncio.to_thread(self.round)
            except (*LEDGER_DOWN, Retriable) as error:
                log.warning("results_wait", contract=self._outbox.contract, error=str(error))
                count = 0
            if not count:
                await asyncio.sleep(pause)


__all__ = ["KafkaTopic", "Publisher"]
