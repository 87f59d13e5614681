"""Reference records as people keep them: JSON, JSON Lines, YAML, and CSV tables.

Every reader yields the place of a record (line, or number in a list) and the record, still unchecked.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from millrace.errors import Misconfigured
from schemas.contracts import contract
from sources.readers.own_json import NotOfContract

Record = dict[str, Any]


class CsvLine(int):
    """First line of a record in a table, with the lines of the items of its list."""

    items: list[int]


def told(place: int, error: NotOfContract) -> str:
    """Where a record is wrong and what: of a table the line and column of the very item."""
    items, _, rest = error.field.partition(".")
    number, _, column = rest.partition(".")
    if isinstance(place, CsvLine) and number.isdecimal() and column:
        return f"{place.items[int(number)]}: {str(error).removeprefix(f'{items}.{number}.')}"
    return f"{place}: {error}"


Records = Iterator[tuple[int, Any]]

#: CSV columns that describe one item of a record's list; the others describe the record, and repeat.
ITEMS = {
    "WorkOrder": (
        "operations",
        ("operation", "work_center", "target_quantity", "count_source", "time_source", "auto_final"),
    ),
    "Material": ("conversions", ("unit", "numerator", "denominator")),
}
#: What a table may leave out.
DEFAULTS: dict[str, Record] = {
    "WorkOrder": {"status": "RELEASED", "under_tolerance": "0", "over_tolerance": None},
    "Material": {"description": ""},
    "operations": {"count_source": "MACHINE", "time_source": "MACHINE", "auto_final": False},
    "conversions": {},
}
_WORDS = {"true": True, "false": False}


def _json(path: Path, _name: str) -> Records:
    found = json.loads(_text(path), parse_float=Decimal)
    yield from enumerate(found if isinstance(found, list) else [found], start=1)


def _json_lines(path: Path, _name: str) -> Records:
    for line, text in enumerate(_text(path).split("\n"), start=1):
        if text.strip():
            yield line, json.loads(text, parse_float=Decimal)


def _yaml(path: Path, name: str) -> Records:
    """Every word stays the text that was written (`0010` is no 8); the contract has the types."""
    root = yaml.compose(_text(path), yaml.BaseLoader)
    if root is None:
        return
    for node in root.value if isinstance(root, yaml.SequenceNode) else [root]:
        value = yaml.BaseLoader("").construct_object(node, deep=True)
        yield node.start_mark.line + 1, typed(value, contract(name).schema)


def _csv(path: Path, name: str) -> Records:
    """Rows of one order, or of one material, are one record, wherever they stand."""
    if name not in ITEMS:
        raise Misconfigured(f"{path}: {name} has lists within lists, give it as JSON or YAML")
    lines = _text(path).splitlines()
    delimiter = ";" if lines and ";" in lines[0] else ","
    found: dict[tuple[str, str], tuple[CsvLine, Record]] = {}
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
    for row in reader:
        if None in row or None in row.values():
            raise Misconfigured(f"{path}:{reader.line_num}: the row has not as many cells as the header")
        identity = (row.get("plant", ""), row.get(contract(name).key, ""))
        if identity not in found:
            found[identity] = (CsvLine(reader.line_num), _head(row, name))
            found[identity][0].items = []
        line, record = found[identity]
        if _add_item(record, row, name):
            line.items.append(reader.line_num)
    for line, record in found.values():
        if name == "WorkOrder" and record["operations"]:
            # What is wrong with the target is told of the target's own column.
            target = record["operations"][-1].get("target_quantity")
            record.setdefault("quantity", target if _is_number(target) else "0")
        yield line, typed(record, contract(name).schema)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


def _head(row: dict[str, str], name: str) -> Record:
    items, columns = ITEMS[name]
    own = {field for field in contract(name).fields if field in row}
    head = {k: v for k, v in row.items() if v != "" and (k in own or k not in columns)}
    return {**DEFAULTS[name], **head, items: []}


def _is_number(text: str | None) -> bool:
    try:
        return Decimal(text or "").is_finite()
    except InvalidOperation:
        return False


def _add_item(record: Record, row: dict[str, str], name: str) -> bool:
    items, columns = ITEMS[name]
    item = {column: row[column] for column in columns if row.get(column)}
    if item:
        record[items].append({**DEFAULTS[items], **item})
    return bool(item)


def typed(value: Any, avro: Any) -> Any:
    """Texts as the contract's whole numbers, truth values and nulls; what fits nothing is left as it is."""
    if isinstance(avro, list):
        missing = value in ("", "null", "~", None)
        return None if missing else typed(value, next(branch for branch in avro if branch != "null"))
    kind = avro if isinstance(avro, str) else avro.get("logicalType", avro["type"])
    if kind == "record" and isinstance(value, dict):
        types = {field["name"]: field["type"] for field in avro["fields"]}
        return {name: typed(item, types.get(name, "string")) for name, item in value.items()}
    if kind == "array" and isinstance(value, list):
        return [typed(item, avro["items"]) for item in value]
    return _plain(value, kind) if isinstance(value, str) else value


def _plain(text: str, kind: str) -> Any:
    if kind in ("int", "long") and text.strip().lstrip("-").isdecimal():
        return int(text)
    return _WORDS.get(text.lower(), text) if kind == "boolean" else text


#: Reader by the end of a file's name.
READERS: dict[str, Callable[[Path, str], Records]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".csv": _csv,
}
