"""The producer: numbers, holds to the contract, keeps on disk, sends."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from millrace.errors import MillraceError, Misconfigured, Rejected
from millrace.producer.buffer import Buffer, Last
from millrace.producer.frames import Event, Scope
from millrace.producer.sender import Sender, wait_until
from millrace.producer.values import Encoder, Record, Typed, record_of
from schemas import wire
from schemas.contracts import contract
from schemas.registry import FolderSchemas, SchemaSource

#: What the guarantees rest on. Java and Node clients partition alike: one source, one partition, whoever writes.
_FIXED: dict[str, object] = {
    "enable.idempotence": True,
    "acks": "all",
    "message.timeout.ms": 0,
    "message.max.bytes": 1_048_588,
    "partitioner": "murmur2_random",
    "queue.buffering.max.messages": 0,  # the buffer and the sender's window are the bounds
    "queue.buffering.max.kbytes": 2**31 - 1,
}
_LINGER_MS = 5


@dataclass(frozen=True, slots=True)
class Status:
    """How a producer stands.

    Args:
        waiting: Events that the broker does not have yet.
        size: Bytes of the buffer on disk.
        trouble: What keeps events from the broker now; empty when nothing does.
    """

    waiting: int
    size: int
    trouble: str


class Producer:
    """Context manager: sends events of contracts, through outages and crashes.

    Delivery: at least once to the topic. What `send` accepted is on disk in the order of the calls, and stays there
    until the broker has it on all in-sync replicas; after an outage or a crash the producer goes on with the first
    event that the broker did not confirm. Each event has the next number of its plant, source and contract, stored
    together with the event: no number is skipped or given twice, over any restart. So behind a flow, which leaves out
    what it has seen by these numbers, each event counts exactly once. Records are keyed as the contract says, by
    `source` for events of machines, and one source's events stay in order.

    Args:
        client: librdkafka's settings of the connection, `bootstrap.servers` at least.
        folder: Folder of the buffer, on a disk that outlives the process; one producer at a time.
        schemas: Where ids of schemas come from: a registry, asked only when events are sent; None for the ids that
            flows without a registry know.
        max_bytes: Bound of the buffer. When it is reached, `send` refuses the new events and keeps the old, because
            dropping would tear gaps into the numbers.
        durable: True: `send` returns when the disk has the events, so a power cut loses none. False: a killed
            process loses none, a power cut the newest; no number that was sent is given again in either case.
        topics: Topics by name of the contract, where they are not the contract's own.
        first_number: Number of the first event of a source that the buffer has never seen.

    Raises:
        Misconfigured: Another process uses the folder, its files are damaged, or a setting would break a guarantee.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        folder: Path | str,
        *,
        schemas: SchemaSource | None = None,
        max_bytes: int = 64 << 20,
        durable: bool = True,
        topics: Mapping[str, str] | None = None,
        first_number: int = 1,
    ) -> None:
        settings = _settings(client)
        self._folder_schemas = FolderSchemas()
        self._schemas = schemas or self._folder_schemas
        self._topics, self._first = dict(topics or {}), first_number
        self._encoders: dict[str, Encoder] = {}
        self._prefixes: dict[tuple[str, bytes], bytes] = {}
        self._numbering = threading.Lock()
        self._buffer = Buffer(Path(folder), max_bytes, durable=durable)
        self._sender = Sender(self._buffer, settings, self._target)
        self._sender.start()

    def send(self, *events: Typed | Record) -> list[int]:
        """Accept events, all or none, in this order; the numbers they got. Does not wait for the broker.

        Raises:
            Rejected: An event breaks its contract; the detail names the field.
            Misconfigured: There is no such contract.
            BufferFull: There is no room, on the disk or within the bound; nothing was accepted, try again later.
            BufferLost: The disk failed; start the process again, and ask `last` what it had accepted.
        """
        if self._sender.died is not None:
            raise MillraceError("the producer has ended") from self._sender.died
        if not events:
            return []
        records = [record_of(event) for event in events]
        with self._numbering:
            numbered = self._numbered(records)
            self._buffer.append(numbered)
        self._sender.wake()
        return [event.sequence for event in numbered]

    def _numbered(self, records: list[Record]) -> list[Event]:
        given: dict[Scope, int] = {}
        events = []
        for record in records:
            encoder = self._encoder(record.contract)
            scope = _scope(record)
            last = self._buffer.last(scope)
            number = given.get(scope, last.sequence if last else self._first - 1) + 1
            given[scope] = number
            value = encoder.encode({**record.values, "sequence": number})
            key = str(record.values[encoder.contract.key])
            events.append(Event(scope, number, record.values["event_id"], key, value))
        return events

    def _encoder(self, name: str) -> Encoder:
        if name not in self._encoders:
            self._encoders[name] = Encoder(name)
        return self._encoders[name]

    def _target(self, event: Event) -> tuple[str, bytes]:
        """Topic and wire bytes; the schema that an event was written with may be older than the contract's now."""
        found = contract(event.scope.contract)
        topic = self._topics.get(found.name, found.topic)
        if self._schemas is self._folder_schemas:
            return topic, event.value
        written_with = event.value[: wire.PREFIX_SIZE]
        if (topic, written_with) not in self._prefixes:
            schema = self._folder_schemas.schema(int.from_bytes(written_with[1:], "big"))
            self._prefixes[topic, written_with] = wire.prefix(self._schemas.id_for(f"{topic}-value", schema))
        return topic, self._prefixes[topic, written_with] + event.value[wire.PREFIX_SIZE :]

    def last(self, contract_name: str, plant: str, source: str) -> Last | None:
        """Number and id of the newest event accepted of a source: where its reader goes on after a crash."""
        return self._buffer.last(Scope(contract_name, plant, source))

    @property
    def status(self) -> Status:
        """How the producer stands."""
        return Status(self._buffer.waiting, self._buffer.size, self._sender.trouble)

    def flush(self, seconds: float) -> int:
        """Wait for the broker; how many events still wait."""
        wait_until(lambda: not self._buffer.waiting or self._sender.died is not None, seconds)
        return self._buffer.waiting

    def close(self) -> None:
        """Stop now; what the broker has not confirmed waits on disk for the next start. Call `flush` before."""
        self._sender.end()
        self._buffer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush(10)
        self.close()


def _settings(client: Mapping[str, Any]) -> dict[str, object]:
    for name in client:
        if name in _FIXED and client[name] != _FIXED[name]:
            raise Misconfigured(f"{name} is fixed to {_FIXED[name]}, because the guarantees rest on it")
    return {"linger.ms": _LINGER_MS, **client, **_FIXED}


def _scope(record: Record) -> Scope:
    for name in ("plant", "source"):
        if not isinstance(record.values.get(name), str):
            raise Rejected("encode", f"{record.contract}: {name}: text is needed")
    return Scope(record.contract, record.values["plant"], record.values["source"])
