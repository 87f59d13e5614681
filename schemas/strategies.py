"""Hypothesis strategies for valid records of any contract, derived from its schema.

The only file here that needs Hypothesis: a development dependency, so nothing else may import this one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from schemas.contracts import Contract

_INT, _LONG = 1 << 31, 1 << 63
_UTC = st.just(UTC)
_YEARS = (datetime(1, 1, 2), datetime(9999, 12, 30))


def records(contract: Contract) -> st.SearchStrategy[dict[str, Any]]:
    """Records that keep the contract, to the limits of each type."""
    return _record(contract.schema)


def values(avro: Any) -> st.SearchStrategy[Any]:
    """Values of one Avro type as they look when decoded."""
    if isinstance(avro, list):
        return st.one_of(*(values(branch) for branch in avro))
    if isinstance(avro, str):
        return _PRIMITIVE[avro]
    return _COMPLEX[avro.get("logicalType", avro["type"])](avro)


def _record(avro: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({field["name"]: values(field["type"]) for field in avro["fields"]})


def _decimal(avro: dict[str, Any]) -> st.SearchStrategy[Decimal]:
    limit = 10 ** avro["precision"] - 1
    return st.integers(-limit, limit).map(lambda unscaled: Decimal(unscaled).scaleb(-avro["scale"]))


_PRIMITIVE: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-_INT, _INT - 1),
    "long": st.integers(-_LONG, _LONG - 1),
    "string": st.text(st.characters(codec="utf-8"), max_size=40),
    "bytes": st.binary(max_size=40),
}
_COMPLEX: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
    "decimal": _decimal,
    "timestamp-micros": lambda _avro: st.datetimes(*_YEARS, timezones=_UTC),
    "date": lambda _avro: st.dates(),
    "enum": lambda avro: st.sampled_from(avro["symbols"]),
    "array": lambda avro: st.lists(values(avro["items"]), max_size=3),
    "record": _record,
}
