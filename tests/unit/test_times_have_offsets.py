"""One rule for times in files, whatever the flow, contract and format: an instant with Z or an offset."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataflows.registry import FLOWS
from millrace.errors import Misconfigured
from schemas.contracts import contract
from schemas.samples import sample
from sources.file_reference import read_reference
from sources.files import FileReader

EVENTS = sorted({name for flow in FLOWS.values() for name in flow.settings.events})
REFERENCES = sorted({name for flow in FLOWS.values() for name in flow.settings.references} - {"ProductionConfirmation"})
LOCAL, ZONED, INSTANT = "2026-01-31T23:30:00", "2026-01-31T23:30:00+01:00", "2026-01-31T22:30:00Z"
SAME = datetime(2026, 1, 31, 22, 30, tzinfo=UTC)


def times_of(name: str) -> list[str]:
    """Fields of a contract that are instants."""
    kinds = pl.DataFrame(sample(contract(name), 1)).schema
    return [field for field, kind in kinds.items() if isinstance(kind, pl.Datetime)]


def written(path: Path, name: str, field: str, text: str) -> Path:
    record = {**sample(contract(name), 1)[0], field: text}
    path.write_text(json.dumps(record, default=_plain) + "\n", encoding="utf-8")
    return path


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in EVENTS for field in times_of(name)])
def test_every_time_of_an_event_needs_an_offset(tmp_path: Path, name: str, field: str) -> None:
    path = tmp_path / "records.jsonl"
    batches = [batch.mapped for batch in FileReader(written(path, name, field, LOCAL), contract=name)]
    [refused] = [reject for mapped in batches for reject in mapped.rejects]
    assert (refused.line, refused.field, "offset" in refused.detail) == (1, field, True)
    for text in (ZONED, INSTANT):
        batches = [batch.mapped for batch in FileReader(written(path, name, field, text), contract=name)]
        assert [reject for mapped in batches for reject in mapped.rejects] == []
        frames = [mapped.frames[name] for mapped in batches if name in mapped.frames]
        assert pl.concat(frames)[field].to_list() == [SAME]


@pytest.mark.parametrize("name", EVENTS)
def test_a_parquet_column_needs_a_time_zone(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame(sample(contract(name), 1), schema_overrides={"event_time": pl.Datetime("us", "UTC")})
    frame.with_columns(pl.col("event_time").dt.replace_time_zone(None)).write_parquet(tmp_path / "local.parquet")
    with pytest.raises(Misconfigured, match="event_time"):
        list(FileReader(tmp_path / "local.parquet", contract=name))


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("suffix", ["json", "jsonl", "yaml"])
def test_reference_data_needs_one_too(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"records.{suffix}"
    with pytest.raises(Misconfigured, match=r"event_time: '2026-01-31T23:30:00' is not an ISO 8601 time with offset"):
        read_reference(written(path, name, "event_time", LOCAL), name)
    for text in (ZONED, INSTANT):
        assert read_reference(written(path, name, "event_time", text), name)["event_time"].to_list() == [SAME]


def test_so_does_a_table(tmp_path: Path) -> None:
    table = tmp_path / "orders.csv"
    head = "plant,order_id,material,unit,operation,work_center,target_quantity,event_time\n"
    for text in (ZONED, INSTANT):
        table.write_text(f"{head}0100,4711,STEEL,KGM,0010,M1,5,{text}\n", encoding="utf-8")
        assert read_reference(table, "WorkOrder")["event_time"].to_list() == [SAME]
    table.write_text(f"{head}0100,4711,STEEL,KGM,0010,M1,5,{LOCAL}\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"orders\.csv:2: event_time: .* is not an ISO 8601 time with offset"):
        read_reference(table, "WorkOrder")
