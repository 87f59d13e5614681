"""The guide to mappings tells the truth: its examples run and its reference is the models' own."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.mapping import document, loads, reference
from sources.files import FileReader

PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text("utf-8")
EXAMPLE = re.compile(r"<!-- example: (\w+) -->\n```yaml\n(.*?)```\n```csv\n(.*?)```\n```json\n(.*?)```", re.DOTALL)
EXAMPLES = {name: (text, sample, json.loads(want)) for name, text, sample, want in EXAMPLE.findall(PAGE)}


def shown(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value.isoformat() if hasattr(value, "isoformat") else value


def words(text: str) -> dict[str, Any]:
    """YAML as the mapping language reads it: scalars stay texts."""
    return document.parse(text, "guide").data


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_guide_gives_what_the_guide_says(name: str, tmp_path: Path) -> None:
    text, sample, expected = EXAMPLES[name]
    mapping = loads(yaml.safe_dump(words(EXAMPLES["base"][0]) | words(text)), f"docs/mapping.md {name}")
    (tmp_path / "sample.csv").write_text(sample, "utf-8")
    rejected, records, ids = [], dict[str, list[dict[str, Any]]](), set()
    for batch in FileReader(tmp_path / "sample.csv", mapping):
        rejected += [[r.line, r.field, r.reason] for r in batch.mapped.rejects]
        for contract, frame in batch.mapped.frames.items():
            records.setdefault(contract, []).extend(frame.to_dicts())
            ids |= set(frame["event_id"])
    assert rejected == expected["rejected"]
    assert records.keys() == expected["records"].keys()
    for contract, wanted in expected["records"].items():
        got = [{k: shown(row[k]) for k in want} for row, want in zip(records[contract], wanted, strict=True)]
        assert got == wanted
    assert len(ids) == expected.get("distinct_event_ids", len(ids))


def test_the_guide_has_its_examples() -> None:
    assert set(EXAMPLES) == {"base", "clocks", "report", "long", "identity"}
    assert PAGE.count("```yaml") == len(EXAMPLES)


def test_the_reference_of_the_guide_is_what_the_models_say() -> None:
    assert reference.renewed(PAGE) == PAGE
