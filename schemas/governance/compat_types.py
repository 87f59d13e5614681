"""Differences between two Avro types, and what they would do to records of the other version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from schemas.contracts import Schema
from schemas.governance.differences import Difference

#: Compares two records: older, newer, path above, names, today.
Records = Callable[[Schema, Schema, str, "Names", date], Iterator[Difference]]


class Names:
    """Named types of both versions, which may be used again by their name.

    Args:
        older: The older version.
        newer: The newer one.
    """

    def __init__(self, older: Schema, newer: Schema) -> None:
        self._older, self._newer = _named(older), _named(newer)

    def both(self, older: Any, newer: Any) -> tuple[Any, Any]:
        """The two types, written out."""
        return _written_out(older, self._older), _written_out(newer, self._newer)


def _named(avro: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(avro, list):
        for each in avro:
            found |= _named(each)
    elif isinstance(avro, dict):
        if "name" in avro and avro.get("type") in {"record", "enum", "fixed"}:
            found[avro["name"]] = avro
        for key in ("type", "items", "values"):
            if isinstance(avro.get(key), dict | list):
                found |= _named(avro[key])
        for field in avro.get("fields", ()):
            found |= _named(field["type"])
    return found


def _written_out(avro: Any, names: dict[str, Any]) -> Any:
    if isinstance(avro, str) and avro.rpartition(".")[2] in names:
        return names[avro.rpartition(".")[2]]
    if isinstance(avro, dict) and isinstance(avro.get("type"), dict | list):
        return _written_out(avro["type"], names)
    return avro


def type_differences(
    older: Any, newer: Any, path: str, names: Names, today: date, records: Records
) -> Iterator[Difference]:
    """Differences between two types.

    Args:
        older: Type in the older version.
        newer: Type in the newer version.
        path: Path of the field.
        names: Named types of both.
        today: See `compat.differences`.
        records: Compares the records inside.
    """
    older, newer = names.both(older, newer)
    if isinstance(older, list) or isinstance(newer, list):
        yield from _unions(older, newer, path, names, today, records)
        return
    before, after = _kind(older), _kind(newer)
    if {before, after} == {"string", "bytes"} and not {_of(older, "logicalType"), _of(newer, "logicalType")} - {None}:
        yield Difference("text_and_bytes", path, before, after)
    elif before != after:
        yield Difference("type_changed", path, before, after)
    elif before == "record":
        yield from _name(older, newer, path)
        yield from records(older, newer, f"{path}.", names, today)
    elif before in {"array", "map"}:
        part = "items" if before == "array" else "values"
        yield from type_differences(older[part], newer[part], path, names, today, records)
    elif before == "enum":
        yield from _name(older, newer, path)
        yield from _symbols(older, newer, path)
    else:
        yield from _meaning(older, newer, path)


def _kind(avro: Any) -> str:
    return avro if isinstance(avro, str) else str(avro["type"])


def _of(avro: Any, name: str) -> Any:
    return avro.get(name) if isinstance(avro, dict) else None


def _name(older: Schema, newer: Schema, path: str) -> Iterator[Difference]:
    if older.get("name") != newer.get("name"):
        yield Difference("type_renamed", path, str(older.get("name")), str(newer.get("name")))


def _unions(older: Any, newer: Any, path: str, names: Names, today: date, records: Records) -> Iterator[Difference]:
    before, after = _branches(older, names, 0), _branches(newer, names, 1)
    if "null" in before and "null" not in after:
        yield Difference("null_removed", path)
    if "null" in after and "null" not in before:
        yield Difference("null_added", path)
    one, other = ([each for name, each in side.items() if name != "null"] for side in (before, after))
    if len(one) == len(other) == 1:
        yield from type_differences(one[0], other[0], path, names, today, records)
    elif set(before) - {"null"} != set(after) - {"null"}:
        yield Difference("type_changed", path, " or ".join(before), " or ".join(after))
    else:
        for kind in before.keys() - {"null"}:
            yield from type_differences(before[kind], after[kind], path, names, today, records)
    if set(before) == set(after) and list(before) != list(after):
        yield Difference("union_reordered", path)


def _branches(avro: Any, names: Names, side: int) -> dict[str, Any]:
    """Branches by what tells them apart; a plain type is a union of one."""
    branches = [names.both(each, each)[side] for each in (avro if isinstance(avro, list) else [avro])]
    return {str(_of(each, "name") or _kind(each)): each for each in branches}


def _symbols(older: Schema, newer: Schema, path: str) -> Iterator[Difference]:
    before, after = older["symbols"], newer["symbols"]
    yield from _enum_default(older.get("default"), newer.get("default"), path)
    for symbol in before:
        if symbol not in after:
            yield Difference("symbol_removed", path, symbol)
    for symbol in after:
        if symbol not in before:
            yield Difference("symbol_added_safely" if "default" in older else "symbol_added", path, "", symbol)
    kept = [symbol for symbol in before if symbol in after]
    if kept != [symbol for symbol in after[: len(kept)] if symbol in before]:
        yield Difference("symbols_reordered", path, " ".join(before), " ".join(after))
    meant, means = older.get("meanings") or {}, newer.get("meanings") or {}
    for symbol in kept:
        if meant.get(symbol) != means.get(symbol):
            rule = "symbol_meaning" if meant.get(symbol) else "meaning_stated"
            yield Difference(rule, f"{path}.{symbol}", meant.get(symbol, ""), means.get(symbol, "nothing"))


def _enum_default(older: Any, newer: Any, path: str) -> Iterator[Difference]:
    if older is None and newer is not None:
        yield Difference("enum_default_added", path, "", str(newer))
    elif older != newer:
        yield Difference("enum_default", path, str(older), str(newer or "nothing"))


def _meaning(older: Any, newer: Any, path: str) -> Iterator[Difference]:
    """Logical types: Avro's own rules ignore them, so that the same bytes would mean something else."""
    before, after = _of(older, "logicalType"), _of(newer, "logicalType")
    if before != after:
        yield Difference("logical_type", path, str(before or "none"), str(after or "none"))
    elif before == "decimal":
        for name, rule in (("scale", "decimal_scale"), ("precision", "decimal_precision")):
            if _of(older, name) != _of(newer, name):
                yield Difference(rule, path, str(_of(older, name) or 0), str(_of(newer, name) or 0))
