"""An event before it has a number: typed or as a mapping, held to its contract with the field named."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

from millrace.errors import Rejected
from schemas import wire
from schemas.codec import Codec
from schemas.codec_slow import RecordDecoder
from schemas.contracts import Contract, Schema, contract
from schemas.plan import resolve
from schemas.registry import UnknownSchema, schema_id

#: Bytes of an event; a broker takes 1 MiB with everything around it unless told otherwise.
MOST_BYTES = 1_000_000


class Typed:
    """Base of the classes in `millrace.producer.records`: the class's name is the contract's."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Record:
    """An event of any contract.

    Args:
        contract: Name of the contract, such as WorkOrder.
        values: Fields by name, without `sequence`; `event_id` may lack.
    """

    contract: str
    values: Mapping[str, Any]


def record_of(event: Typed | Record) -> Record:
    """Fields of an event; one without identity gets it now.

    Raises:
        Rejected: It brings a number, which the producer alone gives.
    """
    if isinstance(event, Record):
        name, values = event.contract, dict(event.values)
    else:
        name, values = type(event).__name__, _fields(event)
    if values.get("sequence") is not None:
        raise Rejected("encode", f"{name}: sequence: the producer numbers the events itself")
    values["event_id"] = values.get("event_id") or str(uuid4())
    return Record(name, values)


def _fields(event: Typed) -> dict[str, Any]:
    return {field.name: getattr(event, field.name) for field in dataclasses.fields(cast(Any, event))}


class _OneId:
    """The id of the one schema that an encoder writes with; working it out takes longer than encoding an event."""

    def __init__(self, number: int) -> None:
        self._number = number

    def schema(self, key: int | UUID) -> Schema:
        raise UnknownSchema(key)

    def id_for(self, subject: str, schema: Schema) -> int:
        del subject, schema
        return self._number


class Encoder:
    """Wire bytes of single events of one contract, and the word of the flow's own decoder that it would take them."""

    def __init__(self, name: str) -> None:
        self.contract = contract(name)
        self._schemas = _OneId(schema_id(self.contract.schema))
        self._codec = Codec(self.contract, self._schemas)
        self._decoder = RecordDecoder(resolve(self.contract.schema, self.contract.schema))

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Wire bytes with the prefix of the schema's id in the folder.

        Raises:
            Rejected: The event breaks the contract; the detail names the field.
        """
        for path in _without_zone("", record):
            raise Rejected("encode", f"{self.contract.name}: {path}: the instant has no time zone")
        try:
            (value,) = self._codec.encode([dict(record)])
        except Rejected as rejected:
            raise Rejected("encode", self._named(record, rejected)) from rejected
        if len(value) > MOST_BYTES:
            raise Rejected("oversize", f"{self.contract.name}: the event has more than {MOST_BYTES} bytes")
        try:
            self._decoder.decode(value[wire.PREFIX_SIZE :])
        except Rejected as rejected:
            raise Rejected(rejected.reason, f"{self.contract.name}: {rejected.detail}") from rejected
        return value

    def _named(self, record: Mapping[str, Any], whole: Rejected) -> str:
        """What is wrong with the first field that cannot be written by itself."""
        fields = self.contract.schema["fields"]
        for name in record:
            if name not in self.contract.fields:
                return f"{self.contract.name}: {name}: the contract has no such field"
        for field in fields:
            alone = Codec(_only(self.contract, field), self._schemas)
            try:
                alone.encode([{name: value for name, value in record.items() if name == field["name"]}])
            except Rejected as rejected:
                return f"{self.contract.name}: {field['name']}: {rejected.__cause__ or rejected.detail}"
        return whole.detail


def _only(whole: Contract, field: dict[str, Any]) -> Contract:
    schema = {**whole.schema, "fields": [field]}
    return dataclasses.replace(whole, schema=schema, fields=(field["name"],))


def _without_zone(path: str, value: object) -> Iterator[str]:
    """Paths of instants without time zone, which would be taken for local time."""
    if isinstance(value, datetime) and value.utcoffset() is None:
        yield path
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _without_zone(f"{path}.{name}".lstrip("."), inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _without_zone(f"{path}[{number}]", inner)
