"""What lint has to say, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schemas.governance.positions import Located, Place


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong in a contract.

    Args:
        file: File.
        line: Line, from 1.
        field: Path of the field, such as `operations.target_quantity`; empty for the contract itself.
        rule: Machine-readable name of the rule.
        message: One sentence that says what is wrong and what is expected.
    """

    file: str
    line: int
    field: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field or 'contract'}: {self.message} [{self.rule}]"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a contract with its place in the file and its name for people."""

    located: Located
    place: Place
    field: str
    value: Any

    def inner(self, *keys: str | int, field: str | None = None) -> Node:
        """A part of this part; what is missing is None."""
        value = self.value
        for key in keys:
            if isinstance(value, dict) and isinstance(key, str):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int):
                value = value[key]
            else:
                value = None
        return Node(self.located, (*self.place, *keys), self.field if field is None else field, value)

    def says(self, rule: str, message: str, *keys: str | int) -> Finding:
        """A finding at this part, or at one inside it."""
        line = self.located.line((*self.place, *keys))
        return Finding(_shown(self.located.path), line, self.field, rule, message)


def _shown(path: Path) -> str:
    """Relative to where the command was called, as far as that is shorter to read."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def fields_of(record: Node, above: str = "") -> Iterator[Node]:
    """Fields of a record and of the records inside it, depth first."""
    fields = record.inner("fields")
    for index, each in enumerate(fields.value if isinstance(fields.value, list) else ()):
        name = each.get("name") if isinstance(each, dict) else None
        path = f"{above}{name or index}"
        field = fields.inner(index, field=path)
        yield field
        for named in types_in(field.inner("type")):
            if isinstance(named.value, dict) and named.value.get("type") == "record":
                yield from fields_of(named, f"{path}.")


def types_in(given: Node) -> Iterator[Node]:
    """A type and the types that it is made of, without descending into the fields of records."""
    yield given
    value = given.value
    if isinstance(value, list):
        for index in range(len(value)):
            yield from types_in(given.inner(index))
    elif isinstance(value, dict):
        for key in ("items", "values"):
            if key in value:
                yield from types_in(given.inner(key))
        if isinstance(value.get("type"), dict | list):
            yield from types_in(given.inner("type"))
