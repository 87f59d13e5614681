"""The contracts as data: every `.avsc` of this package with its owner, tier, topic and key.

The `.avsc` file is the single source of truth; column types, samples, strategies and the data dictionary
derive from what is loaded here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from millrace.errors import Misconfigured

Schema = dict[str, Any]
AVRO_FOLDER = Path(__file__).parent / "avro"

#: What the bytes on the wire and their meaning depend on; everything else in an `.avsc` is documentation.
_ESSENTIAL = (
    *("type", "name", "fields", "items", "values", "symbols", "size", "default"),
    *("logicalType", "precision", "scale"),
)


@dataclass(frozen=True, eq=False)
class Contract:
    """One kind of event or document and what is agreed about it.

    Args:
        name: Record name, such as MachineCycle.
        schema: The parsed `.avsc`.
        topic: Kafka topic that carries it.
        key: Field whose value keys the record.
        owner: Team that answers for the producers.
        tier: 1 completion, quality hold, inventory movement; 2 replenishment, procurement; 3 the rest.
        compacted: The topic keeps the latest record per key.
        fields: Names of the top-level fields, in order.
    """

    name: str
    schema: Schema
    topic: str
    key: str
    owner: str
    tier: int
    compacted: bool
    fields: tuple[str, ...]

    @property
    def subject(self) -> str:
        """Subject in a schema registry (Confluent's TopicNameStrategy)."""
        return f"{self.topic}-value"


def contract(name: str) -> Contract:
    """Contract by record name.

    Raises:
        Misconfigured: There is no such contract.
    """
    found = contracts().get(name)
    if found is None:
        raise Misconfigured(f"no contract is named {name!r}; there are {', '.join(contracts())}")
    return found


@cache
def contracts() -> Mapping[str, Contract]:
    """All current contracts by name, sorted by name."""
    loaded = [load(path) for path in sorted(AVRO_FOLDER.glob("*.avsc"))]
    return {each.name: each for each in loaded}


def load(path: Path) -> Contract:
    """Read one `.avsc`.

    Raises:
        Misconfigured: The file is no JSON, or lacks what every contract states.
    """
    try:
        return from_schema(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(f"{path}: no contract: {error!r}") from error


def from_schema(schema: Schema) -> Contract:
    """Contract from a parsed `.avsc` that states topic, key, owner, tier and compacted."""
    return Contract(
        name=schema["name"],
        schema=schema,
        topic=schema["topic"],
        key=schema["key"],
        owner=schema["owner"],
        tier=int(schema["tier"]),
        compacted=bool(schema["compacted"]),
        fields=tuple(field["name"] for field in schema["fields"]),
    )


def essence(schema: object) -> object:
    """The schema without documentation.

    Avro's own canonical form will not do: it drops logical types, so that two decimal scales would look
    alike.
    """
    if isinstance(schema, dict):
        return {name: _essential(name, schema[name]) for name in _ESSENTIAL if name in schema}
    if isinstance(schema, list):
        return [essence(each) for each in schema]
    return schema


def _essential(name: str, value: object) -> object:
    return value if name == "default" else essence(value)


def fingerprint(schema: Schema) -> bytes:
    """SHA-256 of what writer and reader must agree on (32 bytes)."""
    canonical = json.dumps(essence(schema), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).digest()
