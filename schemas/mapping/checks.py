"""What a mapping's parts must agree on with each other and with the contracts."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator

import polars as pl
from polars.exceptions import PanicException, PolarsError

from millrace.errors import Misconfigured
from schemas.mapping import convert, durations, outputs, quantities, sql, times
from schemas.mapping.columns import expressions, rule_places
from schemas.mapping.contract_shape import Field, contract_fields
from schemas.mapping.document import Place
from schemas.mapping.formats import JsonLines
from schemas.mapping.model import Mapping, Output
from schemas.mapping.ours import DTYPES, Target, read_ours
from schemas.mapping.rules import Conversion, Rule, UnitFrom
from schemas.mapping.splitting import group_names
from schemas.mapping.units import UNITS

Finding = tuple[Place, str]


def findings(mapping: Mapping) -> Iterator[Finding]:
    """Everything that is wrong with a mapping whose keys and values are well formed."""
    yield from _styles(("times",), mapping.times.formats, mapping.times.zone)
    for place, text in expressions(mapping).items():
        wrong = sql.check(text)
        if wrong:
            yield place, wrong
    yield from _splits(mapping)
    yield from _names(mapping)
    for place, rule in rule_places(mapping):
        yield from _rule(place, rule, mapping)
    for i, output in enumerate(mapping.outputs):
        yield from _output(("outputs", i), output, mapping)


def _styles(place: Place, formats: list[str], zone: str | None) -> Iterator[Finding]:
    for text in formats:
        wrong = times.check_format(text)
        if wrong:
            yield (*place, "formats"), wrong
    if zone is not None and zone not in zoneinfo.available_timezones():
        yield (*place, "zone"), f"'{zone}' is no IANA time zone"


def _splits(mapping: Mapping) -> Iterator[Finding]:
    for i, split in enumerate(mapping.split):
        place = ("split", i, "pattern")
        if not group_names(split.pattern):
            yield place, "has no named group (?P<name>...)"
        try:
            pl.Series(["x"]).str.extract_groups(f"^(?:{split.pattern})$")
        except (PolarsError, PanicException) as error:
            yield place, f"is no regular expression: {str(error).splitlines()[-1]}"


def _names(mapping: Mapping) -> Iterator[Finding]:
    new = list(mapping.rename.values())
    for old, name in mapping.rename.items():
        if new.count(name) > 1:
            yield ("rename", old), f"two columns are renamed to '{name}'"
    for section in ("rename", "constants", "derive", "convert"):
        values = mapping.rename.values() if section == "rename" else getattr(mapping, section)
        yield from (
            ((section,), f"'{name}': names that begin with _ are reserved") for name in values if name[:1] == "_"
        )
    if mapping.long is not None and mapping.long.join_on:
        if isinstance(mapping.format, JsonLines) and mapping.format.items:
            yield ("long", "join_on"), "cannot be used together with format.items"
        values = set(mapping.long.keys.values())
        yield from ((("long", "join_on"), f"'{n}' is a value of keys") for n in mapping.long.join_on if n in values)
    identities = [output.identity for output in mapping.outputs]
    for i, identity in enumerate(identities):
        if identity in identities[:i]:
            yield ("outputs", i), f"a second output is named '{identity}'; give one a `name`"


def _rule(place: Place, rule: Rule, mapping: Mapping) -> Iterator[Finding]:
    """Checks of a rule that need no contract."""
    yield from _styles(place, rule.formats or [], rule.zone)
    for pattern in rule.duration or []:
        wrong = durations.check_pattern(pattern)
        if wrong:
            yield (*place, "duration"), wrong
    if isinstance(rule.codes, str) and rule.codes not in mapping.code_lists:
        yield (*place, "codes"), f"there is no list '{rule.codes}' under code_lists"
    if rule.hash_of is not None and place[-1] != "event_id":
        yield (*place, "hash_of"), "makes event ids only"
    yield from _units(place, rule)
    yield from _marks(place, rule, mapping)
    if isinstance(rule, Conversion):
        target = Target(rule.type, DTYPES[rule.type])
        yield from _ours(place, rule, target, mapping)


def _units(place: Place, rule: Rule) -> Iterator[Finding]:
    codes = [rule.to, rule.unit if isinstance(rule.unit, str) else None]
    codes += list(rule.unit.codes.values()) if isinstance(rule.unit, UnitFrom) else []
    for code in codes:
        if code is not None and code not in UNITS:
            yield (
                (*place, "unit"),
                f"'{code}' is no UN/ECE Rec 20 code that is known here: {', '.join(sorted(UNITS))}",
            )
            return
    if rule.unit is not None and rule.duration is not None:
        yield (*place, "unit"), "a duration is in seconds by its pattern"


def _marks(place: Place, rule: Rule, mapping: Mapping) -> Iterator[Finding]:
    style = convert.number_style(rule, mapping)
    if style.decimal == style.thousands:
        yield place, f"decimal and thousands are both '{style.decimal}'"


def _output(place: Place, output: Output, mapping: Mapping) -> Iterator[Finding]:
    try:
        fields = contract_fields(output.contract)
    except Misconfigured as error:
        yield (*place, "contract"), str(error)
        return
    for name in output.fields:
        if name not in fields:
            yield (*place, "fields", name), f"{output.contract} has no such field; it has {', '.join(fields)}"
    rules = outputs.rules_of(mapping, output)
    for name, field in fields.items():
        rule = rules.get(name)
        if rule is not None:
            where: Place = (*place, "fields", name) if name in output.fields else ("fields", name)
            yield from _field(where, rule, field, mapping)
        elif not field.nullable and field.kind != "list":
            yield (
                (*place, "fields"),
                f"{output.contract}.{name} is required: say where it comes from or give a value",
            )
    yield from _declared_unit(place, rules)


def _field(place: Place, rule: Rule, field: Field, mapping: Mapping) -> Iterator[Finding]:
    if field.kind == "nested":
        yield (
            place,
            "is a list of records, which a mapping cannot fill; read such records as files of the contract",
        )
        return
    if rule.unit is not None and field.kind != "number":
        yield (*place, "unit"), f"belongs to numbers, {field.name} is a {field.kind}"
    elif rule.unit is not None or rule.factor is not None:
        yield from _conversion(place, rule, field)
    if rule.duration is not None and (field.kind != "number" or field.unit != "SEC"):
        yield (*place, "duration"), f"is in seconds, {field.name} is not"
    target = Target.of(field, "", "")
    yield from _ours(place, rule, target, mapping)


def _conversion(place: Place, rule: Rule, field: Field) -> Iterator[Finding]:
    if isinstance(rule.unit, UnitFrom) and quantities.target_unit(rule, field.unit) is None:
        yield (*place, "to"), "is needed where a column names the unit"
        return
    if rule.to is not None and field.unit in UNITS and rule.to != field.unit:
        yield (*place, "to"), f"the contract wants {field.name} in {field.unit}"
        return
    try:
        quantities.fixed_factor(rule, field.unit)
    except ValueError as error:
        yield (*place, "unit"), str(error)


def _ours(place: Place, rule: Rule, target: Target, mapping: Mapping) -> Iterator[Finding]:
    """Constants, defaults and codes are written our way and can be checked before any row is read."""
    codes = mapping.code_lists.get(rule.codes, {}) if isinstance(rule.codes, str) else rule.codes or {}
    written: dict[str, list[str | None]] = {
        "value": [rule.value],
        "default": [rule.default],
        "other": [rule.other],
        "codes": list(codes.values()),
    }
    for key, values in written.items():
        for text in values:
            if text is None or (text == "" and key in {"codes", "other"}):
                continue
            reason = read_ours(pl.Series("x", [text], dtype=pl.String), target).reasons[0]
            if reason is not None:
                wanted = f"one of {', '.join(target.symbols)}" if target.symbols else f"a {target.kind} ({reason})"
                yield (*place, key), f"'{text}' is not {wanted}"


def _declared_unit(place: Place, rules: dict[str, Rule]) -> Iterator[Finding]:
    """A quantity converted to one unit must not be declared in another."""
    declared = rules["unit"].value if "unit" in rules else None
    if declared is None:
        return
    for name, rule in rules.items():
        target = quantities.target_unit(rule, None)
        if name.startswith("quantity") and rule.unit is not None and target != declared:
            yield (*place, "fields", name), f"is converted to {target}, but the field unit says {declared}"
