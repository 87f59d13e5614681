"""Lint of contracts: the committed ones keep every rule, and a breach of each is found where it stands."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.errors import Misconfigured
from schemas.contracts import AVRO_FOLDER
from schemas.governance.lint import lint_file, lint_folder
from schemas.governance.positions import parse

Edit = Callable[[dict[str, Any]], Any]
GOOD = json.loads((AVRO_FOLDER / "MachineCycle.avsc").read_text(encoding="utf-8"))


def _field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in schema["fields"] if each["name"] == name)
    return found


def _add(**field: Any) -> Edit:
    return lambda schema: schema["fields"].append({"name": "extra", "type": "string", "doc": "X. No unit.", **field})


def _set(name: str, **properties: Any) -> Edit:
    return lambda schema: _field(schema, name).update(properties)


def _enum(**properties: Any) -> Edit:
    return lambda schema: _field(schema, "counting")["type"].update(properties)


def _decimal(**properties: Any) -> Edit:
    return lambda schema: _field(schema, "quantity_good")["type"].update(properties)


DEPRECATED = {"since": 2, "until": "2027-06-30", "instead": "use counter"}
#: A breach, the rule that finds it, the field it names, and a text on the line it names.
BREACHES: list[tuple[Edit, str, str, str]] = [
    (lambda s: s.pop("owner"), "attribute", "", "{"),
    (lambda s: s.pop("retention"), "attribute", "", "{"),
    (lambda s: s.update(ownr="x"), "property", "", '"ownr"'),
    (lambda s: s.update(name="machineCycle"), "name", "", '"name": "machineCycle"'),
    (lambda s: s.update(name="Other"), "name", "", '"name": "Other"'),
    (lambda s: s.update(topic="MachineCycle"), "topic", "", '"topic"'),
    (lambda s: s.update(namespace="com.example"), "namespace", "", '"namespace"'),
    (lambda s: s.update(doc=" "), "doc", "", '"doc": " "'),
    (lambda s: s.update(owner="Shop Floor"), "owner", "", '"owner"'),
    (lambda s: s.update(tier=4), "tier", "", '"tier"'),
    (lambda s: s.update(key="nothing"), "key", "", '"key"'),
    (lambda s: s.update(key="order_id"), "key", "", '"key"'),
    (lambda s: s.update(partitioning="round_robin"), "partitioning", "", '"partitioning"'),
    (lambda s: s.update(retention="forever"), "retention", "", '"retention"'),
    (lambda s: s.update(compacted=True), "retention", "", '"retention"'),
    (lambda s: s.update(compacted="no"), "compacted", "", '"compacted"'),
    (lambda s: s.update(producers=[]), "parties", "", '"producers"'),
    (lambda s: s.update(consumers=["everybody"]), "parties", "", '"everybody"'),
    (lambda s: s.update(personal_data=True), "personal", "", '"personal_data"'),
    (lambda s: s["fields"].pop(0), "common", "", '"fields"'),
    (_add(name="Extra"), "name", "Extra", '"name": "Extra"'),
    (_add(name="qty"), "term", "qty", '"name": "qty"'),
    (_add(name="machine_id"), "term", "machine_id", '"name": "machine_id"'),
    (_add(doc=""), "doc", "extra", '"doc": ""'),
    (_add(doc="No unit."), "doc", "extra", '"doc": "No unit."'),
    (_add(doc="Some meaning."), "unit", "extra", '"doc": "Some meaning."'),
    (_add(unit="KILO"), "unit", "extra", '"unit": "KILO"'),
    (_add(unit="KGM"), "unit", "extra", '"unit": "KGM"'),
    (_add(standard="ISO 1"), "standard", "extra", '"standard": "ISO 1"'),
    (_add(persnal=True), "property", "extra", '"persnal"'),
    (_add(name="email"), "personal", "email", '"name": "email"'),
    (_add(personal="yes"), "personal", "extra", '"personal"'),
    (_add(share="secret"), "share", "extra", '"share"'),
    (_set("plant", personal=True), "personal", "", '"personal_data"'),
    (_add(type=["null", "string"]), "default", "extra", ""),
    (_add(deprecated={"since": 1}), "deprecated", "extra", '"deprecated"'),
    (_add(deprecated=DEPRECATED), "deprecated", "extra", ""),
    (_set("counter", deprecated={**DEPRECATED, "until": "soon"}), "deprecated", "counter", '"until"'),
    (_set("counter", deprecated={**DEPRECATED, "since": "v2"}), "deprecated", "counter", '"since"'),
    (_add(type="double"), "type", "extra", '"type": "double"'),
    (_add(type="Unknown"), "type", "extra", '"type": "Unknown"'),
    (_add(type=["string", "null"]), "type", "extra", '"type"'),
    (_add(type=7), "type", "extra", '"type": 7'),
    (_add(type={"type": "map", "values": "string"}), "type", "extra", '"type": "map"'),
    (_add(type={"type": "long", "logicalType": "timestamp-millis"}), "logical_type", "extra", '"logicalType"'),
    (_add(type={"type": "int", "logicalType": "timestamp-micros"}), "logical_type", "extra", '"type": "int"'),
    (_decimal(scale=3), "decimal", "quantity_good", '"precision"'),
    (lambda s: _field(s, "quantity_good").pop("unit"), "unit", "quantity_good", ""),
    (_enum(meanings=None), "meaning", "counting", '"symbols"'),
    (_enum(symbols=["DELTA", "CUMULATIVE", "NEW"]), "meaning", "counting", '"meanings"'),
    (_enum(symbols=["DELTA"]), "meaning", "counting", '"CUMULATIVE"'),
    (_enum(symbols=["Delta", "CUMULATIVE"]), "symbol", "counting", '"symbols"'),
    (_enum(doc=""), "doc", "counting", '"name": "Counting"'),
    (_enum(aliases=["C"]), "property", "counting", '"aliases"'),
]


def _written(folder: Path, schema: dict[str, Any]) -> Path:
    path = folder / "MachineCycle.avsc"
    path.write_text(json.dumps(schema, indent=2), encoding="utf-8")
    return path


def test_every_committed_contract_is_clean() -> None:
    assert [str(finding) for finding in lint_folder()] == []


@pytest.mark.parametrize(("edit", "rule", "field", "on_line"), BREACHES, ids=range(len(BREACHES)))
def test_a_breach_is_found_with_its_file_line_and_field(
    tmp_path: Path, edit: Edit, rule: str, field: str, on_line: str
) -> None:
    schema = copy.deepcopy(GOOD)
    edit(schema)
    path = _written(tmp_path, schema)
    found = [each for each in lint_file(path) if each.rule == rule and each.field == field]
    assert found
    lines = path.read_text().splitlines()
    assert any(on_line in lines[each.line - 1] for each in found)
    assert re.match(r".*MachineCycle\.avsc:\d+: ", str(found[0]))


def test_a_good_contract_has_no_findings_before_it_is_broken(tmp_path: Path) -> None:
    assert lint_file(_written(tmp_path, GOOD)) == []


def test_a_type_named_further_up_may_be_used_again(tmp_path: Path) -> None:
    schema = copy.deepcopy(GOOD)
    _add(type="Counting")(schema)
    assert lint_file(_written(tmp_path, schema)) == []


def test_a_file_that_is_no_record_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "X.avsc").write_text("[]")
    assert [each.rule for each in lint_folder(tmp_path)] == ["shape"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 1, 2]), st.booleans())
def test_the_parser_with_positions_reads_what_the_standard_parser_reads(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse(text, Path("x")).value == json.loads(text)


@given(st.text(alphabet='{}[]",:0123456789.-+eEtrufalsn \n\\', max_size=30))
def test_the_parser_with_positions_refuses_what_the_standard_parser_refuses(text: str) -> None:
    """The other way round it refuses keys given twice, and NaN, which is no JSON."""
    try:
        wanted = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        with pytest.raises(Misconfigured, match=r"^x:\d+: "):
            parse(text, Path("x"))
        return
    assert parse(text, Path("x")).value == wanted


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n"a": 1,\n"a": 2}', "x:3: the key 'a' is given twice"),
        ('{\n"a" 1}', "x:2: ':' is expected"),
        ('{\n"a": }', "x:2: a value is expected"),
        ("{} {}", "x:1: something follows"),
        ('{"a": "b}', "x:1: a text that is no JSON"),
        ("[" * 100, "x:1: nested too deeply"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(message)):
        parse(text, Path("x"))
