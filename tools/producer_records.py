"""Writes `millrace/producer/records.py`, the typed events of the producer kit: `python -m tools.producer_records`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.contracts import Contract, contract

TARGET = Path(__file__).parents[1] / "millrace" / "producer" / "records.py"
#: What machines and terminals produce; any other contract goes as a `Record`.
TYPED = ("MachineCycle", "MachineState", "OperationReport")

_HEAD = '''"""Typed events, generated from the contracts: run `python -m tools.producer_records`, do not edit.

Fields, units and meanings stand in the data dictionary. The producer gives `sequence`, and `event_id` where it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from millrace.producer.values import Typed
'''
_PLAIN = {"string": "str", "int": "int", "long": "int", "boolean": "bool", "bytes": "bytes"}
_LOGICAL = {"decimal": "Decimal", "timestamp-micros": "datetime"}


def module() -> str:
    """Text of the module."""
    return "\n\n".join([_HEAD, *(_class(contract(name)) for name in TYPED)])


def _class(found: Contract) -> str:
    fields = [field for field in found.schema["fields"] if field["name"] not in {"event_id", "sequence"}]
    lines = [
        "@dataclass(frozen=True, slots=True, kw_only=True)",
        f"class {found.name}(Typed):",
        f'    """{found.schema["doc"].split(":")[0].split(". ")[0].rstrip(".")}."""',
        "",
        *(_member(field) for field in fields if "default" not in field),
        *(f"{_member(field)} = {field['default']!r}" for field in fields if "default" in field),
        "    event_id: str | None = None",
        "",
    ]
    return "\n".join(lines)


def _member(field: dict[str, Any]) -> str:
    return f"    {field['name']}: {_type(field['type'])}"


def _type(avro: Any) -> str:
    if isinstance(avro, list):
        return " | ".join([_type(branch) for branch in avro if branch != "null"] + ["None"] * ("null" in avro))
    if isinstance(avro, str):
        return _PLAIN[avro]
    if avro["type"] == "enum":
        symbols = ", ".join(f'"{symbol}"' for symbol in avro["symbols"])
        return f"Literal[{symbols}]"
    return _LOGICAL[avro["logicalType"]]


if __name__ == "__main__":
    TARGET.write_text(module())
