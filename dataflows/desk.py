"""The desk of a flow: dead letters and postings with the ways back that the flow's settings know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from dataflows import parts
from dataflows.flow_settings import FlowSettings
from dataflows.total_documents import ReferenceData, TotalDocuments
from millrace.errors import Rejected, Retriable
from millrace.ledger import Ledger, goods_movement
from millrace.ledger.desk import Desk
from millrace.ledger.letters import Letter
from millrace.ledger.model import DesiredDocument
from millrace.ledger.reasons import ErrorClass
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import SchemaSource
from schemas.types import polars_schema
from sinks.resend import KafkaResender
from sources.file_reference import read_reference
from sources.kafka_reference import read_all
from sources.readers import own_json

#: Letters of these classes hold the very bytes that were read.
_AS_READ = (ErrorClass.TRANSPORT, ErrorClass.MAPPING)


def open_desk(
    ledger: Ledger, settings: FlowSettings, orders: Sequence[str] = (), materials: Sequence[str] = ()
) -> Desk:
    """A desk over a ledger.

    Args:
        ledger: The ledger; it stays the caller's to close.
        settings: Settings of the flow. Without Kafka, records can't be sent again.
        orders: WorkOrder files for totals, instead of the topic.
        materials: Material files for totals, instead of the topic.
    """
    schemas = parts.schema_source(settings)
    records = Payloads(settings, schemas)
    resender = KafkaResender(settings.kafka.client(), records.encode) if settings.kafka is not None else None
    totals = _Totals(settings, schemas, orders, materials)
    return Desk(ledger, records=resender, totals=totals, decode=records.decode)


@dataclass(slots=True)
class Payloads:
    """Payloads of letters as wire bytes and as JSON values.

    Args:
        settings: Settings of the flow.
        schemas: Where writers' schemas come from.
    """

    settings: FlowSettings
    schemas: SchemaSource
    _codecs: dict[str, Codec] = field(default_factory=dict)

    def encode(self, letter: Letter, corrected: bytes | None) -> tuple[bytes, bytes | None]:
        """Wire bytes and key: of a corrected record, or of what the letter holds of one that the log has deleted.

        JSON of a contract is encoded, everything else goes as it is.

        Raises:
            Rejected: The JSON is no record of the topic's contract, or the letter does not hold the record as read.
            Retriable: The registry is down.
        """
        payload = letter.payload if corrected is None else corrected
        codec = self._codec(letter.topic)
        if codec is None and corrected is None and letter.error_class not in _AS_READ:
            raise Rejected("record_gone", f"the log has deleted {letter.topic}/{letter.partition}/{letter.offset}")
        if codec is None or not payload.lstrip().startswith(b"{"):
            return payload, None
        try:
            record = own_json.record(json.loads(payload, parse_float=Decimal), codec.contract.schema)
        except (own_json.NotOfContract, ValueError) as error:
            raise Rejected("contract", f"the payload is no {codec.contract.name}: {error}") from error
        return codec.encode([record])[0], str(record[codec.contract.key]).encode()

    def decode(self, letter: Letter) -> Any:
        """JSON values of a letter's payload; None where it cannot be read."""
        try:
            return json.loads(letter.payload)
        except ValueError:
            codec = self._codec(letter.topic)
            return None if codec is None or letter.kind != "RECORD" else _decoded(codec, letter)

    def _codec(self, topic: str) -> Codec | None:
        names = {self.settings.topic(name): name for name in (*self.settings.events, *self.settings.references)}
        if topic not in names:
            return None
        if topic not in self._codecs:
            self._codecs[topic] = Codec(contract(names[topic]), self.schemas)
        return self._codecs[topic]


def _decoded(codec: Codec, letter: Letter) -> Any:
    one = np.zeros(1, np.int64)
    raw = RawBatch(letter.topic, [letter.payload], one.astype(np.int32), one, one)
    try:
        frame = codec.decode(raw).frame
    except Retriable:
        return None
    return json.loads(json.dumps(frame.to_dicts()[0], default=str)) if frame.height else None


@dataclass(slots=True)
class _Totals:
    """Makes documents of totals; the reference data is read when the first one asks for it."""

    settings: FlowSettings
    schemas: SchemaSource
    orders: Sequence[str]
    materials: Sequence[str]
    _made: TotalDocuments | None = None

    def documents(self, letter: Letter) -> Sequence[DesiredDocument]:
        """The desired document of a letter's total; Rejected while what it waits for is missing."""
        if letter.topic == goods_movement.KIND:
            told = "its flow books it as soon as what it waits for is known; what has serial numbers a person posts"
            raise Rejected(letter.reason, told)
        if self._made is None:
            orders, materials = self._frame("WorkOrder", self.orders), self._frame("Material", self.materials)
            references = ReferenceData.of(orders, materials.iter_rows(named=True))
            self._made = TotalDocuments(self.settings.flow, references)
        return self._made.documents(letter)

    def _frame(self, name: str, files: Sequence[str]) -> pl.DataFrame:
        schema = polars_schema(contract(name))
        if files:
            return pl.concat([pl.DataFrame(schema=schema), *(read_reference(path, name) for path in files)])
        if self.settings.kafka is None:
            return pl.DataFrame(schema=schema)
        codec = Codec(contract(name), self.schemas)
        records = read_all(self.settings.kafka.client(), self.settings.topic(name), codec)
        return pl.DataFrame(records, schema=schema)


__all__ = ["Payloads", "open_desk"]
