"""Which columns of the source a mapping speaks of."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.mapping import sql
from schemas.mapping.model import Mapping
from schemas.mapping.rules import Rule, UnitFrom
from schemas.mapping.splitting import group_names


def source_columns(mapping: Mapping) -> list[str]:
    """Columns that keys of the mapping name, under the source's own names, sorted."""
    return sorted(_theirs(mapping, set(_named(mapping)) - _made(mapping)))


def possible_columns(mapping: Mapping) -> list[str]:
    """All of `source_columns`, and every name in an SQL expression that may be one, sorted."""
    mentioned = {*_named(mapping), *_in_expressions(mapping)}
    return sorted(_theirs(mapping, mentioned - _made(mapping)))


def _theirs(mapping: Mapping, ours: set[str]) -> set[str]:
    back = {new: old for old, new in mapping.rename.items()}
    return {back.get(name, name) for name in ours} | set(mapping.rename)


def _made(mapping: Mapping) -> set[str]:
    """Columns that come into being on the way."""
    made = {"_line", "_file", *mapping.constants, *mapping.derive}
    for split in mapping.split:
        made |= group_names(split.pattern)
    if mapping.long is not None:
        made |= set(mapping.long.keys.values())
    if mapping.context is not None:
        made |= {name for name, field in mapping.context.fields.items() if field.from_ != name}
    return made


def _named(mapping: Mapping) -> Iterator[str]:
    yield from (split.column for split in mapping.split)
    if mapping.long is not None:
        yield from (mapping.long.key, mapping.long.value, *mapping.long.join_on)
    if mapping.context is not None:
        yield from mapping.context.per
        yield from (field.from_ for field in mapping.context.fields.values())
    for output in mapping.outputs:
        yield from output.any_of
    for rule in _rules(mapping):
        yield from [*(rule.from_ or []), *(rule.hash_of or [])]
        if isinstance(rule.unit, UnitFrom):
            yield rule.unit.from_


def _in_expressions(mapping: Mapping) -> Iterator[str]:
    for expression in expressions(mapping).values():
        yield from sql.names(expression)


def expressions(mapping: Mapping) -> dict[tuple[str | int, ...], str]:
    """Every SQL expression of a mapping by its place."""
    found: dict[tuple[str | int, ...], str | None] = {("filter",): mapping.filter}
    found |= {("derive", name): text for name, text in mapping.derive.items()}
    if mapping.context is not None:
        for name, field in mapping.context.fields.items():
            found["context", "fields", name, "set_when"] = field.set_when
            found["context", "fields", name, "reset_when"] = field.reset_when
    for i, output in enumerate(mapping.outputs):
        found["outputs", i, "when"] = output.when
    found |= {(*place, "expr"): rule.expr for place, rule in rule_places(mapping)}
    return {place: text for place, text in found.items() if text is not None}


def _rules(mapping: Mapping) -> Iterator[Rule]:
    yield from (rule for _, rule in rule_places(mapping))


def rule_places(mapping: Mapping) -> Iterator[tuple[tuple[str | int, ...], Rule]]:
    """Every rule of a mapping with its place."""
    yield from ((("convert", name), rule) for name, rule in mapping.convert.items())
    yield from ((("fields", name), rule) for name, rule in mapping.fields.items())
    for i, output in enumerate(mapping.outputs):
        yield from ((("outputs", i, "fields", name), rule) for name, rule in output.fields.items())
