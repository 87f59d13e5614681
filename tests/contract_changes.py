"""Changes of a contract: what our checker says to each, and what a registry at FULL_TRANSITIVE says.

The unit test holds our verdicts, the integration test those of a real registry, and docs/contracts.md shows the table
(`python -m tools.contract_changes`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.contract_base import BASE, DECIMAL, GOING, OPTIONAL_TEXT, Schema, said

Edit = Callable[[Schema], Any]

TODAY = date(2026, 6, 1)


@dataclass(frozen=True)
class Change:
    """One change.

    Args:
        title: What changes, as the documentation shows it.
        edit: Makes the newer version of the base.
        allowed: What our checker says.
        registry: What a registry at FULL_TRANSITIVE says.
        rule: The difference that our checker names.
        history: Edits of the base, one per older version; the base itself where there are none.
    """

    title: str
    edit: Edit
    allowed: bool
    registry: bool
    rule: str
    history: tuple[Edit, ...] = field(default=())

    def older(self) -> list[Schema]:
        """The released versions."""
        return [edited(each) for each in self.history or (_nothing,)]

    def newer(self) -> Schema:
        """The version to be released."""
        return edited(self.edit)


def _nothing(_: Schema) -> None:
    return None


def edited(edit: Edit) -> Schema:
    """The base after an edit."""
    schema = copy.deepcopy(BASE)
    edit(schema)
    return schema


def _of(schema: Schema, name: str) -> Schema:
    found: Schema = next(each for each in schema["fields"] if each["name"] == name)
    return found


def _add(*arguments: Any, **more: Any) -> Edit:
    return lambda schema: schema["fields"].append(said(*arguments, **more))


def _drop(name: str) -> Edit:
    return lambda schema: schema["fields"].remove(_of(schema, name))


def _set(of: str, **properties: Any) -> Edit:
    return lambda schema: _of(schema, of).update(properties)


def _unset(name: str, key: str) -> Edit:
    return lambda schema: _of(schema, name).pop(key)


def _type(of: str, **properties: Any) -> Edit:
    return lambda schema: _of(schema, of)["type"].update(properties)


def _top(**properties: Any) -> Edit:
    return lambda schema: schema.update(properties)


def _line(schema: Schema) -> list[Schema]:
    fields: list[Schema] = _of(schema, "lines")["type"]["items"]["fields"]
    return fields


def _renamed(name: str, other: str) -> Edit:
    return lambda schema: _of(schema, name).update(name=other)


_LABEL = said("label", "string", default="")

CHANGES = [
    # Fields
    Change("an optional field is added", _add("extra", OPTIONAL_TEXT, default=None), True, True, "field_added"),
    Change("a field with a default is added", _add("extra", "int", default=7), True, True, "field_added"),
    Change("a required field is added", _add("extra", "string"), False, False, "field_added_required"),
    Change("a required field is removed", _drop("place"), False, False, "field_removed_required"),
    Change("an optional field is removed that was never deprecated", _drop("note"), False, True, "field_removed_early"),
    Change("a deprecated field is removed before its end date", _drop("going"), False, True, "field_removed_early"),
    Change("a deprecated field is removed after its end date", _drop("gone"), True, True, "field_removed"),
    Change("a required field is renamed", _renamed("place", "location"), False, False, "field_removed_required"),
    Change("an optional field is renamed", _renamed("note", "remark"), False, True, "field_removed_early"),
    Change("fields change their order", lambda s: s["fields"].reverse(), True, True, "fields_reordered"),
    Change("a field is deprecated", _set("note", deprecated=GOING), True, True, "deprecated"),
    Change("a deprecation is taken back", _unset("going", "deprecated"), True, True, "undeprecated"),
    # Types
    Change("int becomes long", _set("level", type="long"), False, False, "type_changed"),
    Change("long becomes int", _set("total", type="int"), False, False, "type_changed"),
    Change("long becomes string", _set("total", type="string"), False, False, "type_changed"),
    Change("string becomes bytes", _set("place", type="bytes"), False, True, "text_and_bytes"),
    Change("bytes become string", _set("raw", type="string"), False, True, "text_and_bytes"),
    Change("boolean becomes int", _set("flag", type="int", default=0), False, False, "type_changed"),
    Change("a field becomes optional", _set("place", type=OPTIONAL_TEXT, default=None), False, False, "null_added"),
    Change("an optional field becomes required", _set("note", type="string", default=""), False, False, "null_removed"),
    Change(
        "a union's types change their order",
        _set("note", type=["string", "null"], default=None),
        False,
        False,
        "union_reordered",
    ),
    Change("a union gains a third type", _set("note", type=["null", "string", "long"]), False, False, "type_changed"),
    Change("an array's items change their type", _type("tags", items="long"), False, False, "type_changed"),
    Change("an array becomes a single value", _set("tags", type="string", default=""), False, False, "type_changed"),
    # Decimals and logical types
    Change("a decimal's scale changes", _type("quantity", scale=3), False, True, "decimal_scale"),
    Change("a decimal's precision rises", _type("quantity", precision=28), False, True, "decimal_precision"),
    Change("a decimal's precision falls", _type("quantity", precision=12), False, True, "decimal_precision"),
    Change(
        "an optional decimal's scale changes",
        _set("weight", type=["null", {**DECIMAL, "scale": 3}]),
        False,
        True,
        "decimal_scale",
    ),
    Change("a decimal becomes a double", _set("quantity", type="double"), False, False, "type_changed"),
    Change("a decimal becomes plain bytes", _set("quantity", type="bytes"), False, True, "logical_type"),
    Change(
        "an instant in microseconds becomes milliseconds",
        _type("at", logicalType="timestamp-millis"),
        False,
        True,
        "logical_type",
    ),
    Change("an instant becomes a plain long", _set("at", type="long"), False, True, "logical_type"),
    Change(
        "a plain long becomes an instant",
        _set("total", type={"type": "long", "logicalType": "timestamp-micros"}),
        False,
        True,
        "logical_type",
    ),
    Change("a date becomes a plain int", _set("day", type="int"), False, True, "logical_type"),
    # Enums
    Change(
        "a symbol is added to an enum without a default",
        _type("kind", symbols=["A", "B", "C"]),
        False,
        False,
        "symbol_added",
    ),
    Change(
        "a symbol is added to an enum with a default",
        _type("mode", symbols=["X", "Y", "Z"]),
        True,
        True,
        "symbol_added_safely",
    ),
    Change(
        "a symbol is inserted before others", _type("mode", symbols=["X", "Z", "Y"]), False, True, "symbols_reordered"
    ),
    Change(
        "a symbol is removed from an enum without a default",
        _type("kind", symbols=["A"]),
        False,
        False,
        "symbol_removed",
    ),
    Change(
        "a symbol is removed from an enum with a default", _type("mode", symbols=["X"]), False, True, "symbol_removed"
    ),
    Change("symbols change their order", _type("kind", symbols=["B", "A"]), False, True, "symbols_reordered"),
    Change(
        "a symbol changes its meaning",
        _type("kind", meanings={"A": "First.", "B": "Third."}),
        False,
        True,
        "symbol_meaning",
    ),
    Change("an enum's default changes", _type("mode", default="Y"), False, True, "enum_default"),
    Change("an enum gains a default", _type("kind", default="A"), True, True, "enum_default_added"),
    Change("an enum is renamed", _type("kind", name="Sort"), False, False, "type_renamed"),
    # Units and defaults
    Change("a unit changes", _set("weight", unit="GRM"), False, True, "unit_changed"),
    Change("a unit in the doc changes", _set("level", doc="The level. Unit: stages."), False, True, "unit_changed"),
    Change("a unit is no longer stated", _set("level", doc="The level. No unit."), False, True, "unit_removed"),
    Change("a unit is stated for the first time", _set("place", unit="C62"), True, True, "unit_stated"),
    Change("a default changes", _set("level", default=1), False, True, "default_changed"),
    Change("a default of the same look changes its type", _set("flag", default=True), False, True, "default_changed"),
    Change("a default goes", _unset("level", "default"), False, True, "default_removed"),
    Change("a default comes", _set("place", default=""), True, True, "default_added"),
    # Records inside
    Change(
        "an optional field is added inside",
        lambda s: _line(s).append(said("hint", OPTIONAL_TEXT, default=None)),
        True,
        True,
        "field_added",
    ),
    Change(
        "a required field is added inside",
        lambda s: _line(s).append(said("hint", "string")),
        False,
        False,
        "field_added_required",
    ),
    Change("a scale changes inside", lambda s: _line(s)[1]["type"].update(scale=2), False, True, "decimal_scale"),
    Change(
        "a record inside is renamed",
        lambda s: _of(s, "lines")["type"]["items"].update(name="Row"),
        False,
        False,
        "type_renamed",
    ),
    # The contract as a whole
    Change("the record is renamed", _top(name="Sample"), False, False, "record_renamed"),
    Change("the namespace changes", _top(namespace="io.millrace.v2"), False, True, "namespace_changed"),
    Change("the key changes", _top(key="place"), False, True, "key_changed"),
    Change("the partitioning changes", _top(partitioning="round_robin"), False, True, "partitioning_changed"),
    Change("the topic becomes compacted", _top(compacted=True), False, True, "compaction_changed"),
    Change("the topic changes", _top(topic="probes"), False, True, "topic_changed"),
    Change("owner and tier change", _top(owner="laboratory", tier=1), True, True, "attribute"),
    Change("a field is no longer marked personal", _unset("operator", "personal"), False, True, "personal_unmarked"),
    Change("a field is marked personal", _set("note", personal=True), True, True, "personal_marked"),
    Change("a field is no longer marked as not for everybody", _unset("secret", "share"), False, True, "share_widened"),
    Change("a field is marked as not for everybody", _set("note", share="internal"), True, True, "share_narrowed"),
    Change("words of a doc change", _set("place", doc="Where it is. No unit."), True, True, "doc"),
    # More than one released version
    Change(
        "a field comes back with another type after it was removed",
        _add("label", "long", default=0),
        False,
        False,
        "type_changed",
        history=(lambda s: s["fields"].append(dict(_LABEL)), _nothing),
    ),
    Change(
        "a field becomes required two versions after it was added",
        _add("label", "string"),
        False,
        False,
        "field_added_required",
        history=(_nothing, lambda s: s["fields"].append(dict(_LABEL))),
    ),
    Change(
        "a field comes back with another default",
        _add("label", "string", default="none"),
        False,
        True,
        "default_changed",
        history=(lambda s: s["fields"].append(dict(_LABEL)), _nothing),
    ),
    Change(
        "a symbol's second version of its meaning returns to the first",
        _nothing,
        False,
        True,
        "symbol_meaning",
        history=(_nothing, _type("kind", meanings={"A": "First.", "B": "Third."})),
    ),
]
