"""Differences between two versions of a contract: FULL compatibility, and what registries let pass.

FULL means that readers of either version read records of the other. Beyond that the meaning must stand: scale,
logical type, unit, symbols, defaults, key and partitioning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from schemas.contracts import Schema
from schemas.governance.compat_types import Names, type_differences
from schemas.governance.differences import Difference

_DOC_UNIT = re.compile(r"Unit: ([^.;,(]+[^.;,( ])")
#: Attributes of the contract whose change breaks readers, where both versions state them.
_FIXED = {
    "topic": "topic_changed",
    "key": "key_changed",
    "partitioning": "partitioning_changed",
    "compacted": "compaction_changed",
    "namespace": "namespace_changed",
    "name": "record_renamed",
}
_FREE = ("owner", "tier", "retention", "personal_data", "producers", "consumers")


def differences(older: Schema, newer: Schema, today: date) -> list[Difference]:
    """All differences, allowed or not, in the order of the newer version's fields.

    Args:
        older: A released version.
        newer: The version to be released.
        today: Fields may go after the end date of their deprecation.
    """
    names = Names(older, newer)
    return [*_attributes(older, newer), *record_differences(older, newer, "", names, today)]


def _attributes(older: Schema, newer: Schema) -> Iterator[Difference]:
    for name, rule in _FIXED.items():
        if name in older and name in newer and older[name] != newer[name]:
            yield Difference(rule, "", _shown(older[name]), _shown(newer[name]))
    for name in _FREE:
        if name in older and older[name] != newer.get(name):
            yield Difference("attribute", "", f"{name} {_shown(older[name])}", _shown(newer.get(name)))
    if older.get("doc") != newer.get("doc"):
        yield Difference("doc", "")


def record_differences(older: Schema, newer: Schema, above: str, names: Names, today: date) -> Iterator[Difference]:
    """Differences in the fields of a record; `above` is its path with a dot behind."""
    before = {each["name"]: each for each in older["fields"]}
    after = {each["name"]: each for each in newer["fields"]}
    for name, field in after.items():
        path = f"{above}{name}"
        if name not in before:
            yield Difference("field_added" if "default" in field else "field_added_required", path)
            continue
        yield from _field(before[name], field, path)
        yield from type_differences(before[name]["type"], field["type"], path, names, today, record_differences)
    for name, field in before.items():
        if name not in after:
            yield Difference(_removal(field, today), f"{above}{name}")
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield Difference("fields_reordered", above.rstrip("."))


def _removal(field: Schema, today: date) -> str:
    """A field may go when readers have its default and its producers had their time."""
    if "default" not in field:
        return "field_removed_required"
    until = (field.get("deprecated") or {}).get("until")
    return "field_removed" if until and date.fromisoformat(until) < today else "field_removed_early"


def _field(older: Schema, newer: Schema, path: str) -> Iterator[Difference]:
    yield from _default(older, newer, path)
    yield from _unit(older, newer, path)
    if older.get("personal", False) != newer.get("personal", False):
        yield Difference("personal_marked" if newer.get("personal") else "personal_unmarked", path)
    if older.get("share") != newer.get("share"):
        yield Difference("share_widened" if older.get("share") else "share_narrowed", path)
    if older.get("deprecated") != newer.get("deprecated"):
        yield Difference("deprecated" if newer.get("deprecated") else "undeprecated", path)
    if any(older.get(name) != newer.get(name) for name in ("doc", "standard")):
        yield Difference("doc", path)


def _default(older: Schema, newer: Schema, path: str) -> Iterator[Difference]:
    if "default" in older and "default" not in newer:
        yield Difference("default_removed", path, _shown(older["default"]))
    elif "default" in newer and "default" not in older:
        yield Difference("default_added", path, "", _shown(newer["default"]))
    elif older.get("default") != newer.get("default") or isinstance(older.get("default"), bool) != isinstance(
        newer.get("default"), bool
    ):
        yield Difference("default_changed", path, _shown(older["default"]), _shown(newer["default"]))


def _unit(older: Schema, newer: Schema, path: str) -> Iterator[Difference]:
    """A unit counts wherever it is stated: as a property, or in the words of the doc."""
    before, after = _stated_unit(older), _stated_unit(newer)
    same_words = "unit" not in older and _said_unit(older) == _said_unit(newer)
    if before == after or (before and same_words):
        return
    if before and after:
        yield Difference("unit_changed", path, before, after)
    elif before:
        yield Difference("unit_removed", path, before)
    else:
        yield Difference("unit_stated", path, "", after)


def _stated_unit(field: Schema) -> str:
    return str(field.get("unit") or _said_unit(field))


def _said_unit(field: Schema) -> str:
    said = _DOC_UNIT.search(field.get("doc", ""))
    return said.group(1) if said else ""


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
