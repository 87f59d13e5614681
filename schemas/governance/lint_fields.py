"""What every field of a contract owes its readers: meaning, unit, a type that both decoders read, a standard name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from schemas.governance import vocabulary as words
from schemas.governance.findings import Finding, Node, fields_of, types_in


def field_findings(field: Node, root: Node) -> Iterator[Finding]:
    """Findings in one field and its type.

    Args:
        field: The field.
        root: Its contract.
    """
    if not isinstance(field.value, dict) or "name" not in field.value or "type" not in field.value:
        yield field.says("shape", "a field is a JSON object with name and type")
        return
    for rule in (_properties, _name, _documented, _unit, _standard, _personal, _share, _default, _deprecated):
        yield from rule(field, root)
    known = _names_before(field, root)
    for each in types_in(field.inner("type")):
        yield from _type(each, known)


def _properties(field: Node, _root: Node) -> Iterator[Finding]:
    for name in sorted(set(field.value) - words.FIELD_PROPERTIES):
        yield field.says("property", f"no field has a property {name!r}", name)


def _name(field: Node, _root: Node) -> Iterator[Finding]:
    name = str(field.value["name"])
    if not words.SNAKE.fullmatch(name):
        yield field.says("name", f"the name {name!r} should be in snake_case", "name")
    if name in words.TERMS:
        yield field.says("term", f"{name!r} is called {words.TERMS[name]!r} in the standard's terms", "name")


def _documented(field: Node, _root: Node) -> Iterator[Finding]:
    doc = field.value.get("doc")
    if not isinstance(doc, str) or not doc.strip():
        yield field.says("doc", "the meaning is missing: a doc that says it and its unit", "doc")
    elif not words.SAYS_UNIT.search(doc):
        yield field.says("unit", "the doc says no unit: end it with `Unit: ...` or `No unit.`", "doc")
    elif not words.SAYS_UNIT.sub("", doc).strip(" ."):
        yield field.says("doc", "the doc says a unit and no meaning", "doc")


def _unit(field: Node, root: Node) -> Iterator[Finding]:
    """A unit is a code of Rec 20, or the name of a text field that carries one."""
    unit = field.value.get("unit")
    if unit is None:
        dimensionless = "No unit." in str(field.value.get("doc"))
        if not dimensionless and any(_logical(each) == "decimal" for each in types_in(field.inner("type"))):
            yield field.says("unit", "a quantity states its unit: a Rec 20 code, or the field that carries one")
        return
    texts = ("string", ["null", "string"])
    carriers = {each.value.get("name") for each in fields_of(root) if each.inner("type").value in texts}
    if unit not in words.UNITS and unit not in carriers:
        yield field.says("unit", f"{unit!r} is neither a known unit nor a text field of this contract", "unit")
    if unit in words.UNITS and "No unit." in str(field.value.get("doc")):
        yield field.says("unit", f"the doc says no unit and the unit is {unit}", "unit")


def _standard(field: Node, _root: Node) -> Iterator[Finding]:
    standard = field.value.get("standard")
    if standard is not None and not str(standard).startswith(words.STANDARDS):
        yield field.says("standard", f"{standard!r} begins with no standard that contracts follow", "standard")


def _personal(field: Node, _root: Node) -> Iterator[Finding]:
    personal = field.value.get("personal", False)
    if not isinstance(personal, bool):
        yield field.says("personal", "personal is true or false", "personal")
    elif "personal" not in field.value and words.PERSONAL.search(str(field.value["name"])):
        yield field.says("personal", 'the name speaks of a person: say "personal": true or false', "name")


def _share(field: Node, _root: Node) -> Iterator[Finding]:
    if "share" in field.value and field.value["share"] not in words.SHARE:
        yield field.says("share", f"share is one of {', '.join(words.SHARE)}", "share")


def _default(field: Node, _root: Node) -> Iterator[Finding]:
    """Optional fields are null by default: that is what both decoders and every registry read alike."""
    avro = field.value["type"]
    if isinstance(avro, list) and avro[:1] == ["null"] and field.value.get("default", ...) is not None:
        yield field.says("default", "an optional field has the default null")


def _deprecated(field: Node, _root: Node) -> Iterator[Finding]:
    given = field.value.get("deprecated")
    if given is None:
        return
    if not isinstance(given, dict) or set(given) != {"since", "until", "instead"}:
        yield field.says("deprecated", "deprecated states since (version), until (date) and instead", "deprecated")
        return
    if not _is_date(given["until"]):
        yield field.says("deprecated", f"until {given['until']!r} is no date like 2027-06-30", "deprecated", "until")
    if not isinstance(given["since"], int):
        yield field.says("deprecated", "since is the number of a version", "deprecated", "since")
    if "default" not in field.value:
        yield field.says("deprecated", "a field without a default cannot be left out, so it cannot be deprecated")


def _is_date(text: Any) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except (TypeError, ValueError):
        return False


def _logical(avro: Node) -> Any:
    return avro.value.get("logicalType") if isinstance(avro.value, dict) else None


def _names_before(field: Node, root: Node) -> set[str]:
    """Named types that stand further up in the file: each is written out where it is used first."""
    line = field.located.line(field.place)
    above = (
        each for one in fields_of(root) if one.located.line(one.place) < line for each in types_in(one.inner("type"))
    )
    return {str(each.value["name"]) for each in above if isinstance(each.value, dict) and "name" in each.value}


def _type(avro: Node, known: set[str]) -> Iterator[Finding]:
    given = avro.value
    if isinstance(given, str):
        if given in words.REFUSED_TYPES:
            yield avro.says("type", f"contracts use no {given}: {words.REFUSED_TYPES[given]}")
        elif given not in words.PRIMITIVES | known:
            yield avro.says("type", f"{given!r} is neither an Avro type nor named further up in this contract")
    elif isinstance(given, list):
        if len(given) != 2 or given[0] != "null":
            yield avro.says("type", 'a union is ["null", one other type]')
    elif isinstance(given, dict):
        yield from _complex(avro)
    else:
        yield avro.says("type", f"{given!r} is no Avro type")


def _complex(avro: Node) -> Iterator[Finding]:
    given = avro.value
    for name in sorted(set(given) - words.TYPE_PROPERTIES):
        yield avro.says("property", f"no type has a property {name!r}", name)
    kind = given.get("type")
    if kind in words.REFUSED_TYPES:
        yield avro.says("type", f"contracts use no {kind}: {words.REFUSED_TYPES[kind]}", "type")
    if "logicalType" in given:
        yield from _logical_type(avro)
    if kind == "enum":
        yield from _enum(avro)
    if kind in {"enum", "record"} and not str(given.get("doc") or "").strip():
        yield avro.says("doc", f"the {kind} {given.get('name')} has no doc", "name")


def _logical_type(avro: Node) -> Iterator[Finding]:
    logical, carrier = avro.value["logicalType"], avro.value.get("type")
    if logical not in words.LOGICAL_TYPES:
        known = ", ".join(words.LOGICAL_TYPES)
        yield avro.says("logical_type", f"no logical type {logical!r} is known; there are {known}", "logicalType")
    elif carrier != words.LOGICAL_TYPES[logical]:
        right = words.LOGICAL_TYPES[logical]
        yield avro.says("logical_type", f"{logical} is carried by {right}, not by {carrier}", "type")
    elif logical == "decimal" and (avro.value.get("precision"), avro.value.get("scale")) != (18, 6):
        yield avro.says("decimal", "quantities are decimals of precision 18 and scale 6", "precision")


def _enum(avro: Node) -> Iterator[Finding]:
    symbols, meanings = avro.value.get("symbols") or [], avro.value.get("meanings")
    styles = [all(style.fullmatch(str(each)) for each in symbols) for style in (words.UPPER, words.SNAKE)]
    if not any(styles):
        yield avro.says("symbol", "symbols are all in UPPER_CASE (or all in lower_case)", "symbols")
    if not isinstance(meanings, dict):
        yield avro.says("meaning", "meanings states for each symbol what it means", "symbols")
        return
    for symbol in symbols:
        if not str(meanings.get(symbol) or "").strip():
            yield avro.says("meaning", f"the meaning of the symbol {symbol} is missing", "meanings")
    for symbol in meanings.keys() - set(symbols):
        yield avro.says("meaning", f"{symbol} has a meaning and is no symbol", "meanings", symbol)
