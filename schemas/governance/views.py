"""What a partner may see of a contract: the same record without the fields that their tags keep back.

A view is derived from the contract, never written: personal fields are left out always, fields with a `share` tag
unless the partner is given the tag. Names and types stay, so every version of the contract is read into the view by
Avro's own rules, and what is left out is skipped before it becomes a value.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from millrace.errors import Misconfigured
from schemas.contracts import Contract, Schema, from_schema
from schemas.governance.vocabulary import SHARE

#: What a partner's schema says of a field and a record; who else produces and consumes is nobody's business.
_RECORD = ("type", "name", "namespace", "doc")
_FIELD = ("name", "doc", "default", "unit", "standard", "share", "deprecated")


@dataclass(frozen=True, slots=True)
class View:
    """A contract as one partner sees it.

    Args:
        contract: The reduced contract; its schema goes to the partner.
        dropped: Paths of the fields that are left out, with the reason: `personal`, a share tag, or `not asked for`.
        readable: Whether readers of the whole contract can read the view's records: what is left out has defaults.
    """

    contract: Contract
    dropped: dict[str, str]
    readable: bool


def view(contract: Contract, tags: Collection[str] = (), fields: Sequence[str] | None = None) -> View:
    """The view of who is given some tags.

    Args:
        contract: The whole contract.
        tags: Share tags that the partner is given.
        fields: Top-level fields that the partner needs; None for all that its tags allow.

    Raises:
        Misconfigured: A tag or field is unknown, a field wanted is kept back, or the record's key would be.
    """
    _refuse_unknown(contract, tags, fields)
    projection = _Projection(tags)
    schema = projection.record(contract.schema, "", fields)
    _refuse_lacking(contract, projection.dropped, fields)
    kept = {name: contract.schema[name] for name in ("topic", "key", "owner", "tier", "compacted")}
    reduced = replace(from_schema({**schema, **kept}), schema=schema)
    return View(reduced, projection.dropped, projection.readable)


class _Projection:
    """One pass over a schema, which notes what it drops."""

    def __init__(self, tags: Collection[str]) -> None:
        self.dropped: dict[str, str] = {}
        self.readable = True
        self._tags = tags

    def record(self, schema: Schema, above: str, wanted: Sequence[str] | None = None) -> Schema:
        """A record without what is kept back."""
        fields = [each for field in schema["fields"] if (each := self._field(field, above, wanted)) is not None]
        if not fields:
            raise Misconfigured(f"{above.rstrip('.') or schema['name']}: no field is left to show")
        return {**{name: schema[name] for name in _RECORD if name in schema}, "fields": fields}

    def _field(self, field: Schema, above: str, wanted: Sequence[str] | None) -> Schema | None:
        path = f"{above}{field['name']}"
        why = self._kept_back(field, wanted)
        if why is not None:
            self.dropped[path] = why
            self.readable = self.readable and "default" in field
            return None
        kept = {name: field[name] for name in _FIELD if name in field}
        return {**kept, "type": self._type(field["type"], path)}

    def _kept_back(self, field: Schema, wanted: Sequence[str] | None) -> str | None:
        if field.get("personal"):
            return "personal"
        share = field.get("share")
        if share is not None and share not in self._tags:
            return str(share)
        return "not asked for" if wanted is not None and field["name"] not in wanted else None

    def _type(self, avro: Any, path: str) -> Any:
        if isinstance(avro, list):
            return [self._type(each, path) for each in avro]
        if isinstance(avro, str):
            return avro
        if avro["type"] == "array":
            return {**avro, "items": self._type(avro["items"], f"{path}[]")}
        return self.record(avro, f"{path}.") if avro["type"] == "record" else avro


def _refuse_unknown(contract: Contract, tags: Collection[str], fields: Sequence[str] | None) -> None:
    for tag in tags:
        if tag not in SHARE:
            raise Misconfigured(f"tag {tag!r}: there are {', '.join(SHARE)}; personal fields are never shared")
    for name in fields or ():
        if name not in contract.fields:
            raise Misconfigured(f"{contract.name} has no field {name!r}")


def _refuse_lacking(contract: Contract, dropped: dict[str, str], fields: Sequence[str] | None) -> None:
    """A partner that asks for what it may not see hears so; without its key a record finds no partition."""
    if contract.key in dropped:
        raise Misconfigured(f"{contract.name}: the key {contract.key} cannot be left out ({dropped[contract.key]})")
    for name in fields or ():
        if name in dropped:
            raise Misconfigured(f"{contract.name}: {name} is {dropped[name]} and not shared with this partner")
