"""How a writer's schema is read into the reader's contract: resolved once per writer, used by both decoders.

Rules are Avro's schema resolution, made stricter where it would let meaning slip: logical types must be equal
(a changed decimal scale would be a silent factor), record names must match, and types may not contain
themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from millrace.errors import MillraceError

#: Bounds on a foreign schema, so that a hostile one cannot blow up while it is resolved.
MAX_DEPTH, MAX_NODES = 32, 4096
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_LOGICAL = {
    ("bytes", "decimal"): "decimal",
    ("long", "timestamp-micros"): "timestamp",
    ("int", "date"): "date",
}


class IncompatibleError(MillraceError):
    """No record of this writer can be read into the contract."""


@dataclass(frozen=True, slots=True)
class Member:
    """A field as the writer wrote it; `wanted` when the reader has it too."""

    name: str
    node: Node
    wanted: bool


@dataclass(frozen=True, slots=True)
class Node:
    """One type on the wire and what becomes of it.

    Args:
        kind: Avro type name, or decimal, timestamp, date for the logical types, or mismatch where a union's
            branch has no counterpart in the reader.
        size: Bytes of a fixed.
        precision: Digits of the reader's decimal.
        scale: Decimal places.
        symbols: The reader's symbol for each of the writer's; None where the reader has none.
        branches: Of a union.
        items: Of an array or map.
        members: Of a record, in the writer's order.
        defaults: Values of the reader's fields that the writer lacks.
        target: What a number becomes where the reader's type is wider.
    """

    kind: str
    size: int = 0
    precision: int = 0
    scale: int = 0
    symbols: tuple[str | None, ...] = ()
    branches: tuple[Node, ...] = ()
    items: Node | None = None
    members: tuple[Member, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)
    target: str = ""


def resolve(writer: object, reader: object) -> Node:
    """Plan for reading the writer's records as the reader's.

    Raises:
        IncompatibleError: Names the field that cannot be read.
    """
    try:
        return _Resolver(writer, reader).plan
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise IncompatibleError(f"the writer's schema is malformed: {error!r}") from error


class _Resolver:
    """One resolution: the named types of both sides and the bounds."""

    def __init__(self, writer: object, reader: object) -> None:
        self.names: dict[bool, dict[str, Any]] = {True: {}, False: {}}
        self.open: list[str] = []
        self.nodes = 0
        self.plan = self._node(writer, reader, "record")

    def _node(self, writer: object, reader: object | None, path: str) -> Node:
        """Plan for one type; a reader of None means that the value is skipped."""
        self.nodes += 1
        if self.nodes > MAX_NODES or path.count(".") > MAX_DEPTH:
            raise IncompatibleError(f"{path}: the writer's schema is too large or too deep")
        writer, reader = self._expand(writer, True), self._expand(reader, False)
        if isinstance(writer, list):
            return self._union(writer, reader, path)
        if isinstance(reader, list):
            return self._into_union(writer, reader, path)
        return self._single(_described(writer, path), _described(reader, path) if reader else None, path)

    def _expand(self, avro: object, of_writer: bool) -> object:
        """Replace the name of a type by its definition and remember new definitions."""
        known = self.names[of_writer]
        if isinstance(avro, str) and avro in known:
            return known[avro]
        if isinstance(avro, dict) and (isinstance(avro.get("type"), (dict, list)) or avro.get("type") in known):
            return self._expand(avro["type"], of_writer)
        if isinstance(avro, dict) and "name" in avro:
            known[avro["name"]] = avro
            known[f"{avro.get('namespace', '')}.{avro['name']}".lstrip(".")] = avro
        return avro

    def _union(self, writer: list[object], reader: object, path: str) -> Node:
        branches = [self._branch(branch, reader, path) for branch in writer]
        if branches and all(branch.kind == "mismatch" for branch in branches):
            raise IncompatibleError(f"{path}: no type of the writer's union can be read")
        return Node("union", branches=tuple(branches))

    def _branch(self, writer: object, reader: object, path: str) -> Node:
        """A branch that cannot be read spoils only the records that use it, as Avro rules."""
        try:
            return self._node(writer, reader, path)
        except IncompatibleError:
            if reader is None:
                raise
            return Node("mismatch")

    def _into_union(self, writer: object, reader: list[object], path: str) -> Node:
        for branch in reader:
            try:
                return self._node(writer, branch, path)
            except IncompatibleError:
                continue
        raise IncompatibleError(f"{path}: the writer's type is not one of the reader's")

    def _single(self, writer: dict[str, Any], reader: dict[str, Any] | None, path: str) -> Node:
        kind = writer["type"]
        if reader is not None:
            _check_same_meaning(writer, reader, path)
        if kind == "record":
            return self._record(writer, reader, path)
        if kind in {"array", "map"}:
            part = "items" if kind == "array" else "values"
            return Node(kind, items=self._node(writer[part], reader and reader[part], f"{path}.{part}"))
        if kind == "enum":
            return Node("enum", symbols=_symbols(writer, reader))
        if reader is None:
            return Node(kind, size=int(writer.get("size", 0)))
        return _scalar(kind, writer, reader)

    def _record(self, writer: dict[str, Any], reader: dict[str, Any] | None, path: str) -> Node:
        if writer["name"] in self.open:
            raise IncompatibleError(f"{path}: the type {writer['name']} contains itself")
        self.open.append(writer["name"])
        wanted = {each["name"]: each for each in reader["fields"]} if reader else {}
        members = tuple(self._member(each, wanted.get(each["name"]), path) for each in writer["fields"])
        self.open.pop()
        missing = wanted.keys() - {member.name for member in members}
        return Node("record", members=members, defaults={n: _default(wanted[n], path) for n in sorted(missing)})

    def _member(self, writer: dict[str, Any], reader: dict[str, Any] | None, path: str) -> Member:
        inner = f"{path}.{writer['name']}"
        target = None if reader is None else reader["type"]
        return Member(writer["name"], self._node(writer["type"], target, inner), reader is not None)


def _described(avro: object, path: str) -> dict[str, Any]:
    if isinstance(avro, str) and avro in _SIZES:
        return {"type": avro}
    if isinstance(avro, dict) and isinstance(avro.get("type"), str):
        return avro
    raise IncompatibleError(f"{path}: unknown Avro type {avro!r}")


_SIZES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


def _check_same_meaning(writer: dict[str, Any], reader: dict[str, Any], path: str) -> None:
    before, after = writer["type"], reader["type"]
    if before != after and after not in _PROMOTIONS.get(before, ()):
        raise IncompatibleError(f"{path}: the writer's {before} cannot be read as {after}")
    for rule in ("logicalType", "scale", "size"):
        if writer.get(rule) != reader.get(rule):
            raise IncompatibleError(f"{path}: the writer's {rule} is {writer.get(rule)}, not {reader.get(rule)}")
    if before == "record" and writer["name"].rpartition(".")[2] != reader["name"].rpartition(".")[2]:
        raise IncompatibleError(f"{path}: the writer's record is {writer['name']}, not {reader['name']}")


def _symbols(writer: dict[str, Any], reader: dict[str, Any] | None) -> tuple[str | None, ...]:
    """Where the reader lacks a symbol its own default stands in, if it declares one."""
    if reader is None:
        return tuple(writer["symbols"])
    known = set(reader["symbols"])
    return tuple(symbol if symbol in known else reader.get("default") for symbol in writer["symbols"])


def _scalar(kind: str, writer: dict[str, Any], reader: dict[str, Any]) -> Node:
    meaning = _LOGICAL.get((kind, str(writer.get("logicalType"))), kind)
    if meaning in {"bytes", "string"}:
        meaning = reader["type"]
    return Node(
        meaning,
        size=int(writer.get("size", 0)),
        precision=int(reader.get("precision", 0)),
        scale=int(reader.get("scale", 0)),
        target=reader["type"],
    )


def _default(reader: dict[str, Any], path: str) -> object:
    if "default" not in reader:
        raise IncompatibleError(f"{path}.{reader['name']}: the writer lacks it and it has no default")
    return default_value(reader["type"], reader["default"])


def default_value(avro: Any, given: Any) -> Any:
    """A default as JSON states it, in the type that a decoded value has."""
    if isinstance(avro, list):
        return default_value(avro[0], given)
    if not isinstance(avro, dict):
        return given.encode("latin-1") if avro == "bytes" else given
    if avro["type"] == "array":
        return [default_value(avro["items"], each) for each in given]
    if avro["type"] == "record":
        return {each["name"]: default_value(each["type"], given[each["name"]]) for each in avro["fields"]}
    return _logical_default(avro, given)


def _logical_default(avro: dict[str, Any], given: Any) -> Any:
    match avro.get("logicalType"):
        case "decimal":
            return decimal_value(int.from_bytes(given.encode("latin-1"), "big", signed=True), avro["scale"])
        case "timestamp-micros":
            return EPOCH + timedelta(microseconds=given)
        case "date":
            return date_value(given)
    return given


def decimal_value(unscaled: int, scale: int) -> Decimal:
    """Decimal of at most 18 digits, exact in any decimal context of at least as many."""
    return Decimal(unscaled).scaleb(-scale)


def date_value(days: int) -> date:
    """Date from days since 1970-01-01.

    Raises:
        OverflowError: Outside the years 1 to 9999.
    """
    return EPOCH.date() + timedelta(days=days)
