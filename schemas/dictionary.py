"""The data dictionary: what every field of every contract means, as Markdown generated from the schemas.

`python -m schemas.dictionary` writes it, `--check` fails when the file is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from schemas.contracts import Contract, contracts

TARGET = Path(__file__).parent.parent / "docs" / "data-dictionary.md"
_UNIT = re.compile(r"Unit: ([^.;,(]+[^.;,( ])")
_UNIT_FIELDS = ("unit", "base_unit")
_HEAD = """# Data dictionary

Generated from `schemas/avro/*.avsc` by `python -m schemas.dictionary`; change the schemas, not this page.
Tier 1 is completion, quality hold and inventory movement, tier 2 replenishment and procurement, tier 3 the
rest. A unit in backquotes is the field that holds the unit. Dots and brackets name fields inside fields and
arrays.
"""


def render() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(each) for each in contracts().values())])


def _section(contract: Contract) -> str:
    facts = [
        f"Topic `{contract.topic}`{', compacted' if contract.compacted else ''}",
        f"key `{contract.key}`",
        f"owner {contract.owner}",
        f"tier {contract.tier}",
    ]
    rows = [
        "| field | type | unit | standard | meaning |",
        "|---|---|---|---|---|",
        *(_row(path, field) for path, field in fields_with_paths(contract.schema, "")),
    ]
    return "\n".join([f"## {contract.name}", "", contract.schema["doc"], "", f"{'; '.join(facts)}.", "", *rows, ""])


def fields_with_paths(record: dict[str, Any], above: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fields depth first with their paths."""
    for field in record["fields"]:
        path = f"{above}{field['name']}"
        yield path, field
        inner, suffix = field["type"], ""
        while isinstance(inner, dict) and inner["type"] == "array":
            inner, suffix = inner["items"], f"{suffix}[]"
        if isinstance(inner, dict) and inner["type"] == "record":
            yield from fields_with_paths(inner, f"{path}{suffix}.")


def _row(path: str, field: dict[str, Any]) -> str:
    cells = (f"`{path}`", type_words(field["type"]), unit_words(field), field.get("standard", ""), field["doc"])
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def type_words(avro: Any) -> str:
    """Type in words an analyst knows."""
    if isinstance(avro, list):
        return f"{' or '.join(type_words(branch) for branch in avro if branch != 'null')}, optional"
    if isinstance(avro, str):
        return avro
    kind = avro.get("logicalType", avro["type"])
    words = {
        "decimal": f"decimal({avro.get('precision')},{avro.get('scale')})",
        "enum": f"one of {', '.join(avro.get('symbols', ()))}",
        "record": str(avro.get("name")),
        "timestamp-micros": "instant (UTC)",
    }
    return f"array of {type_words(avro['items'])}" if kind == "array" else str(words.get(kind, kind))


def unit_words(field: dict[str, Any]) -> str:
    """Rec 20 codes are upper case; a lower-case name is the field that holds the unit."""
    unit = field.get("unit")
    if unit is None:
        said = _UNIT.search(field["doc"])
        return said.group(1) if said else ""
    return f"`{unit}`" if unit in _UNIT_FIELDS else str(unit)


def main(arguments: Sequence[str] = ()) -> int:
    """Write the page, or with --check compare it. Exit code 1 when it is stale."""
    page = render()
    if "--check" not in arguments:
        TARGET.write_text(page, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{TARGET.name} is stale: run python -m schemas.dictionary\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
