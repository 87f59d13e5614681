"""Documents, dead letters, alerts and state times to Kafka topics.

Delivery: at least once. A batch is flushed before the step returns, so an epoch never closes over a message that the
broker did not take; a broker that is down stalls the flow, and a message it refuses stops it. Consumers tell repeats
by `event_id` and revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bytewax.outputs import DynamicSink, StatelessSinkPartition
from confluent_kafka import KafkaError, Message, Producer

from millrace.errors import MillraceError, Retriable
from millrace.health import health
from millrace.kafka_login import KafkaLogin
from schemas.codec import Codec
from schemas.contracts import contract
from sinks.batches import Batch
from sinks.dead_letter import alert_record, letter_record
from sinks.ledger import document_records
from sinks.patience import patiently
from sinks.projections import CONTRACT as PROJECTION
from sinks.projections import projection_rows
from sinks.state_time import state_time_records


class KafkaPartition(StatelessSinkPartition[Batch]):
    """Producer of one worker."""

    def __init__(self, client: Mapping[str, str], flow: str, schemas: Any, topics: Mapping[str, str]) -> None:
        ours = {"enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 0, "log_level": 0}
        self._producer, self._login = Producer({**client, **ours}), KafkaLogin(client)
        self._codecs = {name: Codec(contract(name), schemas) for name in topics}
        self._flow, self._topics = flow, topics
        self._failed: KafkaError | None = None

    def write_batch(self, items: list[Batch]) -> None:
        """Send and wait for the broker's acknowledgement of everything.

        Raises:
            MillraceError: The broker refused a message; the epoch is not closed.
        """
        for batch in items:
            documents = [r for frame in batch.documents for r in document_records(frame, self._flow)]
            if documents:
                self._send(batch.contract, documents)
            self._send("DeadLetter", [letter_record(letter) for letter in batch.letters])
            self._send("Alert", [alert_record(alert, self._flow) for alert in batch.alerts])
            times = [r for f in batch.state_times for r in state_time_records(f, self._flow)]
            if times:
                self._send("StateTime", times)
            for frame in batch.projections:
                self._send(PROJECTION, projection_rows(frame, self._flow).drop("origin", "offset").to_dicts())
        self._login.renew(self._producer)
        while self._producer.flush(5) and self._failed is None:
            health.waits("broker")
            self._login.renew(self._producer)
        health.goes_on("broker")
        if self._failed is not None:
            raise MillraceError(f"the broker refused a message: {self._failed.str()}")

    def _send(self, name: str, records: Iterable[dict[str, Any]]) -> None:
        records = list(records)
        key = contract(name).key
        for record, value in zip(records, self._encoded(name, records), strict=True):
            while True:
                try:
                    self._producer.produce(
                        self._topics[name], value, key=str(record[key]).encode(), on_delivery=self._delivered
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
        self._producer.poll(0)

    def _encoded(self, name: str, records: list[dict[str, Any]]) -> list[bytes]:
        """Wire bytes; a registry that is down stalls the flow until it answers."""
        return patiently(lambda: self._codecs[name].encode(records), (Retriable,), "registry")

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failed = self._failed or error

    def close(self) -> None:
        """Nothing is buffered between batches."""
        self._producer.flush(5)


class KafkaSink(DynamicSink[Batch]):
    """Sink of a flow into its topics; any number of workers."""

    def __init__(self, client: Mapping[str, str], flow: str, schemas: Any, topics: Mapping[str, str]) -> None:
        self._client, self._flow, self._schemas, self._topics = client, flow, schemas, topics

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> KafkaPartition:
        """One producer per worker."""
        return KafkaPartition(self._client, self._flow, self._schemas, self._topics)
