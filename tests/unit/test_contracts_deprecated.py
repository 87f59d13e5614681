"""Deprecated fields that are still written: counted by source, shown as a metric, at no cost where there are none."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from millrace.cli.app import app
from schemas import contracts as contracts_module
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import Contract, contract, contracts, from_schema
from schemas.governance.deprecated_use import DeprecatedUse
from schemas.registry import FolderSchemas
from schemas.samples import sample
from sinks.deprecated_fields import USED, watched
from sinks.parquet import HistoryWriter
from tests.contract_base import BASE

GOING = {"since": 2, "until": "2027-06-30", "instead": "leave it out"}


def _cli(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["contracts", *arguments])


def _deprecated() -> Contract:
    schema = copy.deepcopy(contract("MachineCycle").schema)
    for field in schema["fields"]:
        if field["name"] in {"counter", "scrap_reason"}:
            field["deprecated"] = GOING
    return from_schema(schema)


def _batch(of: Contract, records: list[dict[str, Any]], schemas: FolderSchemas | None = None) -> RawBatch:
    values = Codec(of, schemas or FolderSchemas()).encode(records)
    zeros = np.zeros(len(values), np.int64)
    return RawBatch(of.topic, values, zeros.astype(np.int32), np.arange(len(values)), zeros)


def _records(of: Contract) -> list[dict[str, Any]]:
    made = [{**each, "counter": None, "scrap_reason": None, "source": "S1"} for each in sample(of, 10)]
    made[0]["counter"], made[1]["counter"], made[2]["scrap_reason"] = "A", "", "BURR"
    made[1]["source"] = "S2"
    return made


def test_a_deprecated_field_that_is_still_written_is_counted_by_source_and_as_a_metric() -> None:
    of = _deprecated()
    batch = _batch(of, _records(of))
    before = USED.labels("MachineCycle", "counter", "2027-06-30")._value.get()
    decoded = watched(Codec(of, FolderSchemas())).decode(batch)
    assert USED.labels("MachineCycle", "counter", "2027-06-30")._value.get() == before + 2
    use = DeprecatedUse(of).of(decoded.frame)
    assert use == {("counter", "S1"): 1, ("counter", "S2"): 1, ("scrap_reason", "S1"): 1}
    assert DeprecatedUse(of).of(decoded.frame.drop("counter")) == {("scrap_reason", "S1"): 1}


def test_a_contract_without_deprecated_fields_costs_nothing() -> None:
    codec = Codec(contract("MachineCycle"), FolderSchemas())
    assert watched(codec) is codec


def test_deprecated_fields_inside_records_and_lists_are_found_and_defaults_are_no_use() -> None:
    schema = copy.deepcopy(BASE)
    fields = {each["name"]: each for each in schema["fields"]}
    for each in ("level", "tags", "gone", "going", "weight"):
        fields[each]["deprecated"] = GOING
    hint = {"name": "hint", "type": ["null", "string"], "default": None, "doc": "X.", "deprecated": GOING}
    fields["lines"]["type"]["items"]["fields"].append(hint)
    of = from_schema(schema)
    plain = {
        **sample(of, 1)[0],
        "level": 0,
        "tags": [],
        "gone": None,
        "going": None,
        "weight": None,
        "source": "S",
    }
    line = {"item": "a", "share": plain["quantity"], "hint": None}
    used = {"level": 3, "tags": ["x"], "weight": plain["quantity"], "lines": [line, {**line, "hint": "h"}]}
    records = [{**plain, "lines": [line]}, {**plain, "lines": []}, {**plain, **used}]
    schemas = FolderSchemas()
    frame = Codec(of, schemas).decode(_batch(of, records, schemas)).frame
    assert frame.height == len(records)
    assert DeprecatedUse(of).of(frame) == {(n, "S"): 1 for n in ("level", "tags", "weight", "lines.hint")}


def test_usage_names_the_sources_and_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = _deprecated()
    monkeypatch.setattr(contracts_module, "contracts", lambda: {**contracts(), of.name: of})
    file = tmp_path / "cycles.avro"
    out = io.BytesIO()
    fastavro.writer(out, of.schema, _records(of))
    file.write_bytes(out.getvalue())
    told = _cli("usage", str(file), "--contract", "MachineCycle", "--json")
    target = json.loads(told.stdout)["targets"][0]
    assert told.exit_code == 1
    assert {(each["field"], each["source"], each["records"]) for each in target["use"]} == {
        ("counter", "S1", 1),
        ("counter", "S2", 1),
        ("scrap_reason", "S1", 1),
    }
    assert [each["until"] for each in target["deprecated_fields"]] == ["2027-06-30", "2027-06-30"]
    assert _cli("usage", str(file), "--contract", "MachineState").exit_code in {0, 1, 2}


def test_the_history_of_a_topic_tells_its_contract_and_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = _deprecated()
    schemas = FolderSchemas()
    frame = Codec(of, schemas).decode(_batch(of, _records(of), schemas)).frame
    writer = HistoryWriter(tmp_path, "confirmations", "lane-00", {of.name: of.topic}, lambda: "state")
    writer.restore(None)
    writer.write(of.name, frame.with_columns(origin=pl.lit(3, pl.Int32), offset=pl.int_range(frame.height)))
    writer.sync()
    monkeypatch.setattr(contracts_module, "contracts", lambda: {**contracts(), of.name: of})
    told = _cli("usage", str(tmp_path / of.topic), "--json")
    target = json.loads(told.stdout)["targets"][0]
    assert (told.exit_code, target["contract"], target["read"]) == (1, "MachineCycle", 10)
    assert sum(each["records"] for each in target["use"]) == 3
