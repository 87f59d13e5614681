"""The example plants give exactly the records and rejects that stand beside them.

After a wanted change of an example run this file as a program: it writes `expected.json` anew. Read the
difference before you commit it.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.mapping import MappedJson, load
from sources.files import FileReader

EXAMPLES = Path(__file__).parents[2] / "examples"
PLANTS = sorted(path.parent.name for path in EXAMPLES.glob("*/mapping.yaml"))


def sample(plant: str) -> Path:
    return next((EXAMPLES / plant).glob("sample.*"))


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value if value is None or isinstance(value, str | int | bool) else value.isoformat()


def outcome(plant: str, rows: int = 10_000) -> dict[str, Any]:
    """Records, rejects and counts of an example's sample."""
    result: dict[str, Any] = {"read": 0, "mapped": 0, "filtered": 0, "rejected": [], "records": {}}
    for batch in FileReader(sample(plant), load(EXAMPLES / plant / "mapping.yaml"), rows=rows):
        for name in ("read", "mapped", "filtered"):
            result[name] += getattr(batch.mapped, name)
        result["rejected"] += [[r.line, r.field, r.reason] for r in batch.mapped.rejects]
        for name, frame in batch.mapped.frames.items():
            records = [{k: plain(v) for k, v in row.items() if v is not None} for row in frame.to_dicts()]
            result["records"].setdefault(name, []).extend(records)
    return result


def ordered(result: dict[str, Any]) -> dict[str, Any]:
    """Without the order in which batches let joined rows go."""
    records = {k: sorted(v, key=lambda r: r["_line"]) for k, v in result["records"].items()}
    return result | {"rejected": sorted(result["rejected"]), "records": records}


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("rows", [1, 3, 10_000])
def test_an_example_gives_its_expected_records_however_it_falls_into_batches(plant: str, rows: int) -> None:
    expected = json.loads((EXAMPLES / plant / "expected.json").read_text("utf-8"))
    assert ordered(outcome(plant, rows)) == ordered(expected)


@pytest.mark.parametrize("plant", PLANTS)
def test_every_row_of_an_example_is_mapped_rejected_or_filtered(plant: str) -> None:
    result = outcome(plant)
    assert result["read"] == result["mapped"] + len(result["rejected"]) + result["filtered"]
    assert result["mapped"] > 0


def test_the_gateway_example_reads_a_topic_as_it_reads_a_file() -> None:
    import numpy as np

    from schemas.batch import RawBatch

    values = sample("moulding_telemetry").read_bytes().splitlines()
    n = len(values)
    raw = RawBatch("moulding.raw", values, np.zeros(n, np.int32), np.arange(1, n + 1), np.zeros(n, np.int64))
    mapped = MappedJson(load(EXAMPLES / "moulding_telemetry" / "mapping.yaml")).decode(raw)
    expected = outcome("moulding_telemetry")
    rows = mapped.batches["MachineCycle"].frame.to_dicts()
    records = [{k: plain(v) for k, v in row.items() if v is not None} for row in rows]
    assert records == [{k: v for k, v in r.items() if k != "_line"} for r in expected["records"]["MachineCycle"]]
    assert [reject.row + 1 for reject in mapped.rejects] == [line for line, _, _ in expected["rejected"]]


if __name__ == "__main__":
    for each in sys.argv[1:] or PLANTS:
        text = json.dumps(outcome(each), ensure_ascii=False, indent=1)
        (EXAMPLES / each / "expected.json").write_text(text + "\n", "utf-8")
