"""Wire bytes of the simulated plant's records: good ones by the codec, bad ones broken on purpose."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import fastavro

from sandbox.plant_disturb import Emission, Fault

#: Contract name and records to wire values with their schema prefix.
Encode = Callable[[str, Sequence[Mapping[str, Any]]], Sequence[bytes]]

PREFIX = 5  # magic byte and schema id
UNKNOWN_SCHEMA = b"\x00\x7f\xff\xff\xf0"
AVRO = Path(__file__).parent.parent / "schemas" / "avro"


def to_wire(emissions: Sequence[Emission], encode: Encode) -> Iterator[tuple[Emission, bytes]]:
    """Pair each emission with the bytes to produce, in the given order; `encode` runs once per contract."""
    values: dict[int, bytes] = {}
    for contract in {emission.contract for emission in emissions} - {None}:
        rows = [row for row, emission in enumerate(emissions) if emission.contract == contract]
        records = [emissions[row].body for row in rows]
        values.update(zip(rows, encode(str(contract), records), strict=True))  # type: ignore[arg-type]
    for row, emission in enumerate(emissions):
        yield emission, emission.body if isinstance(emission.body, bytes) else spoil(emission, values[row])


def spoil(emission: Emission, wire: bytes) -> bytes:
    """Break a good value as the emission's fault says; a future time leaves them sound."""
    match emission.fault:
        case Fault.TRUNCATED:
            return wire[: PREFIX + (len(wire) - PREFIX) * 2 // 3]
        case Fault.UNKNOWN_SCHEMA:
            return UNKNOWN_SCHEMA + wire[PREFIX:]
        case Fault.BAD_ENUM:
            return wire[:PREFIX] + _beyond_the_symbols(emission)
        case _:
            return wire


def _beyond_the_symbols(emission: Emission) -> bytes:
    """Encode with a writer whose first enum has one symbol more than the contract, and use that one."""
    schema, name = _widened(str(emission.contract))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, {**dict(emission.body), name: "BEYOND"})  # type: ignore[arg-type]
    return out.getvalue()


@cache
def _widened(contract: str) -> tuple[Any, str]:
    schema = json.loads((AVRO / f"{contract}.avsc").read_text(encoding="utf-8"))
    enum = next(f for f in schema["fields"] if isinstance(f["type"], dict) and f["type"]["type"] == "enum")
    enum["type"]["symbols"].append("BEYOND")
    return fastavro.parse_schema(schema), enum["name"]
