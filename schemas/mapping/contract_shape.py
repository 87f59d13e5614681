"""What a mapping has to know of a contract: its fields, their kinds and which may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import polars as pl

from schemas.contracts import contract
from schemas.types import is_nullable, polars_schema


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a contract as a mapping sees it.

    Args:
        name: Field of the contract.
        kind: text, integer, boolean, enum, time, date, number, list (of texts); or nested, which a mapping cannot fill.
        nullable: Whether the contract lets it be missing.
        symbols: Allowed values of an enum.
        unit: Declared unit: an UN/ECE Rec 20 code, or `unit` where another field of the record names it.
        dtype: Polars type.
    """

    name: str
    kind: str
    nullable: bool
    symbols: tuple[str, ...]
    unit: str | None
    dtype: pl.DataType

    @property
    def absent(self) -> list[str] | None:
        """What stands where no rule fills the field: nothing, or a list of nothing."""
        return [] if self.kind == "list" else None


@cache
def contract_fields(name: str) -> dict[str, Field]:
    """Fields of a contract in their order.

    Raises:
        Misconfigured: There is no contract of that name.
    """
    found = contract(name)
    types = polars_schema(found)
    return {
        field["name"]: Field(
            name=field["name"],
            kind=_kind(types[field["name"]]),
            nullable=is_nullable(field["type"]),
            symbols=_symbols(types[field["name"]]),
            unit=field.get("unit"),
            dtype=types[field["name"]],
        )
        for field in found.schema["fields"]
    }


def frame_schema(name: str) -> dict[str, pl.DataType]:
    """Columns of a mapped frame: the contract's, then `_line`."""
    return {**polars_schema(contract(name)), "_line": pl.Int64()}


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.List(pl.String):
        return "list"
    kinds: dict[type[pl.DataType], str] = {
        pl.String: "text",
        pl.Int32: "integer",
        pl.Int64: "integer",
        pl.Boolean: "boolean",
        pl.Enum: "enum",
        pl.Datetime: "time",
        pl.Date: "date",
        pl.Decimal: "number",
    }
    return kinds.get(type(dtype), "nested")


def _symbols(dtype: pl.DataType) -> tuple[str, ...]:
    return tuple(dtype.categories) if isinstance(dtype, pl.Enum) else ()
