"""Several renderings of one manifest as one Helm template: what differs stands between conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

#: Name of a choice -> what was chosen.
Variant = tuple[tuple[str, str], ...]
#: One value per variant; a variant that lacks it is not there.
Group = Mapping[Variant, Any]
#: Template of a condition by choice and what was chosen.
Conditions = Mapping[tuple[str, str], str]
_STEP = "  "
_IF, _END = "{{- if ", "{{- end }}"
_IDENTITY = ("name", "mountPath", "port", "key", "configMapRef")


@dataclass(frozen=True, slots=True)
class Raw:
    """Template text in the place of a value; of several lines where `block` is set.

    Args:
        text: Template; `INDENT` stands for the number of blanks before the block.
        block: Whether it is a mapping or a list on lines of its own.
    """

    text: str
    block: bool = False


@dataclass(frozen=True, slots=True)
class Merge:
    """Writes a group of variants as lines of YAML.

    Args:
        conditions: How a choice is asked for.
        finish: Last word on every scalar, for instance names of flows.
    """

    conditions: Conditions
    finish: Callable[[str], str] = str

    def document(self, group: Group) -> list[str]:
        """A whole manifest, within a condition where not every variant has it."""
        present = {variant: manifest for variant, manifest in group.items() if manifest is not None}
        return _joined(self._within(present, group, ["---", *self._mapping(present, "")]))

    def _mapping(self, group: Group, indent: str) -> list[str]:
        lines: list[str] = []
        for key in _in_order([list(value) for value in group.values()]):
            having = {variant: value[key] for variant, value in group.items() if key in value}
            lines += self._within(having, group, self._entry(key, having, indent))
        return lines

    def _entry(self, key: str, group: Group, indent: str) -> list[str]:
        values = list(group.values())
        name = f"{indent}{self._scalar(key)}:"
        if all(value == values[0] for value in values):
            return self._plain(name, values[0], indent)
        if all(isinstance(value, dict) for value in values):
            return [name, *self._mapping(group, indent + _STEP)]
        if all(isinstance(value, list) for value in values):
            return [name, *self._sequence(group, indent + _STEP)]
        return [line for part in _equal(group) for line in self._within(part, group, self._entry(key, part, indent))]

    def _sequence(self, group: Group, indent: str) -> list[str]:
        lines: list[str] = []
        items = {variant: _by_identity(value) for variant, value in group.items()}
        for identity in _in_order([list(each) for each in items.values()]):
            having = {variant: each[identity] for variant, each in items.items() if identity in each}
            lines += self._within(having, group, self._item(having, indent))
        return lines

    def _item(self, group: Group, indent: str) -> list[str]:
        first = next(iter(group.values()))
        if not isinstance(first, dict):
            return [f"{indent}- {self._scalar(first)}"]
        named = [key for key in _IDENTITY if key in first]
        ordered = {v: {**{key: item[key] for key in named}, **item} for v, item in group.items()}
        lines = self._mapping(ordered, indent + _STEP)
        return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]

    def _plain(self, name: str, value: Any, indent: str) -> list[str]:
        if isinstance(value, Raw):
            if not value.block:
                return [f"{name} {value.text}"]
            return [name, f"{indent}{_STEP}{value.text.replace('INDENT', str(len(indent) + 2))}"]
        if isinstance(value, dict) and value:
            return [name, *self._mapping({(): value}, indent + _STEP)]
        if isinstance(value, list) and value:
            return [name, *self._sequence({(): value}, indent + _STEP)]
        return [f"{name} {self._scalar(value)}"]

    def _scalar(self, value: Any) -> str:
        written = yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")
        return self.finish(written)

    def _within(self, having: Group, group: Group, lines: list[str]) -> list[str]:
        """Lines in the condition that tells those variants from the others."""
        if len(having) == len(group):
            return lines
        for (choice, chosen), condition in self.conditions.items():
            if having.keys() == {variant for variant in group if dict(variant).get(choice) == chosen}:
                return [f"{_IF}{condition} }}}}", *lines, _END]
        raise ValueError(f"no condition tells {sorted(having)} from the rest of {sorted(group)}: {lines[0]}")


def _joined(lines: Sequence[str]) -> list[str]:
    """Neighbours with the same condition share it."""
    made: list[str] = []
    open_ones: list[str] = []
    ended = ""  # the condition that the last line of `made` ends
    for line in lines:
        if line == _END:
            ended = open_ones.pop()
            made.append(line)
            continue
        if line.startswith(_IF):
            open_ones.append(line)
            if line == ended:
                made.pop()
                ended = ""
                continue
        ended = ""
        made.append(line)
    return made


def _in_order(lists: Sequence[Sequence[str]]) -> list[str]:
    """All entries once; one that only a later list has follows what it follows there."""
    merged = list(lists[0])
    for names in lists[1:]:
        for number, name in enumerate(names):
            if name not in merged:
                merged.insert(merged.index(names[number - 1]) + 1 if number else 0, name)
    return merged


def _by_identity(items: Sequence[Any]) -> dict[str, Any]:
    """Items by what makes them the same in two lists: a name, or all of it where names are not told once."""
    names = [
        next((f"{key}={item[key]}" for key in _IDENTITY if key in item), "") for item in items if isinstance(item, dict)
    ]
    if len(set(names)) == len(items) and "" not in names:
        return dict(zip(names, items, strict=True))
    found: dict[str, Any] = {}
    for item in items:
        name = repr(item)
        while name in found:
            name += "'"
        found[name] = item
    return found


def _equal(group: Group) -> Iterator[Group]:
    """The group in parts of equal values."""
    rest = dict(group)
    while rest:
        value = next(iter(rest.values()))
        part = {variant: other for variant, other in rest.items() if other == value}
        yield part
        rest = {variant: other for variant, other in rest.items() if variant not in part}
