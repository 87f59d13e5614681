"""Views for partners: what tags keep back is left out of schema and bytes, whatever contract and nesting."""

from __future__ import annotations

import copy
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from typer.testing import CliRunner

from dataflows.partners import PartnersSettings
from millrace.cli.app import app
from millrace.errors import Misconfigured
from millrace.settings import load
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import Contract, contract, contracts, from_schema
from schemas.governance.views import view
from schemas.registry import FolderSchemas
from schemas.samples import sample
from tests.contract_base import BASE

LINE = {"type": "record", "name": "Line", "doc": "A line.", "fields": []}
MODE = {"type": "enum", "name": "Grade", "symbols": ["A", "B"], "meanings": {"A": "A.", "B": "B."}}


def nested() -> Contract:
    """Tagged fields, also within a record and an array of records."""
    line = {
        **LINE,
        "fields": [
            {"name": "number", "type": "int", "doc": "N. No unit."},
            {"name": "price", "type": "string", "doc": "P. No unit.", "share": "commercial"},
            {"name": "operator", "type": ["null", "string"], "doc": "O. No unit.", "default": None, "personal": True},
        ],
    }
    fields = [
        {"name": "source", "type": "string", "doc": "S. No unit."},
        {"name": "inner", "type": MODE, "doc": "I. No unit.", "share": "internal"},
        {"name": "grade", "type": {**MODE, "name": "Mark"}, "doc": "G. No unit."},
        {"name": "lines", "type": {"type": "array", "items": line}, "doc": "L. No unit."},
        {"name": "last", "type": ["null", {**line, "name": "Last"}], "doc": "L. No unit.", "default": None},
    ]
    return from_schema({**copy.deepcopy(BASE), "name": "Nested", "topic": "nested", "fields": fields})


RECORD = {
    "source": "M1",
    "inner": "A",
    "grade": "B",
    "lines": [{"number": 1, "price": "PRICE-7", "operator": "OPERATOR-9"}],
    "last": {"number": 2, "price": "PRICE-8", "operator": "OPERATOR-9"},
}


def raw(values: list[bytes]) -> RawBatch:
    numbers = np.arange(len(values))
    return RawBatch("t", values, numbers.astype(np.int32) * 0, numbers, numbers)


def forwarded(whole: Contract, reduced: Contract, records: list[dict[str, Any]]) -> tuple[list[bytes], list[bytes]]:
    """Bytes of the whole records, and of what a partner gets."""
    schemas = FolderSchemas()
    values = Codec(whole, schemas).encode(records)
    codec = Codec(reduced, schemas)
    decoded = codec.decode(raw(values))
    assert decoded.rejects == []
    return values, codec.encode_frame(decoded.frame)


def test_what_tags_keep_back_is_left_out_at_every_depth() -> None:
    found = view(nested())
    assert found.dropped == {
        "inner": "internal",
        "lines[].price": "commercial",
        "lines[].operator": "personal",
        "last.price": "commercial",
        "last.operator": "personal",
    }
    assert not found.readable, "readers of the whole need a price"
    before, after = forwarded(nested(), found.contract, [RECORD])
    assert all(text in before[0] for text in (b"PRICE-7", b"PRICE-8", b"OPERATOR-9"))
    assert not any(text in after[0] for text in (b"PRICE", b"OPERATOR"))
    read = fastavro.schemaless_reader(_body(after[0]), fastavro.parse_schema(found.contract.schema), None)
    assert read == {"source": "M1", "grade": "B", "lines": [{"number": 1}], "last": {"number": 2}}


def test_a_tag_that_a_partner_is_given_shows_its_fields_and_no_tag_shows_persons() -> None:
    found = view(nested(), ["commercial", "internal"])
    assert found.dropped == {"lines[].operator": "personal", "last.operator": "personal"}
    assert found.readable
    _, after = forwarded(nested(), found.contract, [RECORD])
    assert b"PRICE-7" in after[0]
    assert b"OPERATOR" not in after[0]
    with pytest.raises(Misconfigured, match="personal fields are never shared"):
        view(nested(), ["personal"])


def test_a_partner_gets_only_the_fields_that_it_asks_for() -> None:
    found = view(contract("MachineCycle"), fields=["event_id", "source", "quantity_good"])
    assert found.contract.fields == ("event_id", "source", "quantity_good")
    assert found.dropped["plant"] == "not asked for"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (["grade", "lines"], "the key source cannot be left out"),
        (["source", "inner"], "inner is internal and not shared"),
        (["source", "colour"], "has no field 'colour'"),
    ],
)
def test_a_view_that_cannot_be_is_refused(fields: list[str], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        view(nested(), fields=fields)


@pytest.mark.parametrize("whole", contracts().values(), ids=contracts())
def test_every_contract_has_a_view_that_its_records_and_readers_go_through(whole: Contract) -> None:
    """Personal values are planted in every record; Avro's own library writes and reads the partner's bytes."""
    found = view(whole)
    personal = [name for name, why in found.dropped.items() if why == "personal" and "." not in name]
    assert personal == [field["name"] for field in whole.schema["fields"] if field.get("personal")]
    records = [{**record, **{name: _planted(whole, name) for name in personal}} for record in sample(whole, 20)]
    before, after = forwarded(whole, found.contract, records)
    assert all((b"PLANTED" in value) is bool(personal) for value in before), "else the next line says nothing"
    assert not any(b"PLANTED" in value for value in after)
    theirs = fastavro.parse_schema(found.contract.schema)
    ours = fastavro.parse_schema(whole.schema) if found.readable else None
    for value in after:
        shown = fastavro.schemaless_reader(_body(value), theirs, None)
        assert set(shown) == set(whole.fields) - set(found.dropped)
        if ours is not None:
            assert set(fastavro.schemaless_reader(_body(value), theirs, ours)) == set(whole.fields)


def _planted(whole: Contract, name: str) -> Any:
    avro = next(field["type"] for field in whole.schema["fields"] if field["name"] == name)
    return b"PLANTED" if "bytes" in avro else "PLANTED"


def _body(value: bytes) -> Any:
    return io.BytesIO(value[5:])


def test_a_partners_schema_names_no_other_party() -> None:
    text = json.dumps(view(contract("OperationReport")).contract.schema)
    assert not any(word in text for word in ("producers", "consumers", "system:", "flow:", "owner"))


def test_a_partners_topic_is_the_subject_of_its_schema() -> None:
    reduced = replace(view(contract("OperationReport")).contract, topic="acme.reports")
    assert reduced.subject == "acme.reports-value"


PARTNERS = """\
partners:
  - name: acme
    contracts:
      - contract: OperationReport
      - {contract: MachineCycle, fields: [event_id, source]}
"""


def test_the_command_prints_the_schema_and_says_what_is_left_out(tmp_path: Path) -> None:
    config = tmp_path / "partners.yaml"
    config.write_text(PARTNERS)
    command = ["contracts", "view", "acme", "--contract", "OperationReport", "--config", str(config)]
    schema = json.loads(CliRunner().invoke(app, command).stdout)
    assert "operator" not in {field["name"] for field in schema["fields"]}
    fastavro.parse_schema(schema)
    told = json.loads(CliRunner().invoke(app, [*command, "--explain"]).stdout)
    assert told["left_out"] == {"operator": "personal"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("OperationReport", "NoSuch"), "no contract is named 'NoSuch'"),
        (("[event_id, source]", "[event_id]"), "the key source cannot be left out"),
        (("fields: [event_id, source]", "share: [personal]"), "partners.yaml:5: .*share"),
        (("acme", "Acme Ltd"), "partners.yaml:2: partners.0.name"),
    ],
)
def test_settings_of_partners_that_cannot_be_are_refused(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    config = tmp_path / "partners.yaml"
    config.write_text(PARTNERS.replace(*change))
    with pytest.raises(Misconfigured, match=told):
        load(PartnersSettings, config)


def test_a_partner_gets_no_contract_that_is_not_named(tmp_path: Path) -> None:
    config = tmp_path / "partners.yaml"
    config.write_text(PARTNERS)
    with pytest.raises(Misconfigured, match="partner acme gets no WorkOrder; it gets MachineCycle, OperationReport"):
        load(PartnersSettings, config).partner("acme").view("WorkOrder")


def test_the_guides_settings_load_and_its_output_is_what_comes_out(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "partners.md").read_text()
    config = tmp_path / "partners.yaml"
    config.write_text("".join(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)))
    command = ["contracts", "view", "acme-tools", "--contract", "PurchaseOrder", "--config", str(config), "--explain"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.exception
    assert done.stdout in text


@pytest.mark.parametrize("name", ["PurchaseOrder", "ReplenishmentRequest"])
def test_prices_and_plans_are_not_for_everybody(name: str) -> None:
    """The tags of the contracts themselves: who is given nothing sees no price, value, stock or demand."""
    told = {"price", "currency", "value", "safety_stock", "on_hand", "demand_mean", "approved_by"}
    assert told & set(contract(name).fields)
    assert not told & set(view(contract(name)).contract.fields)
