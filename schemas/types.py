"""Polars and Arrow types of a contract, derived from its Avro types.

Enums become `pl.Enum` of the reader's symbols, quantities `Decimal(18, 6)`, instants `Datetime('us', 'UTC')`,
arrays of records `List(Struct)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from millrace.errors import Misconfigured
from schemas.contracts import Contract

AvroType = object

_PRIMITIVE: dict[str, pl.DataType] = {
    "null": pl.Null(),
    "boolean": pl.Boolean(),
    "int": pl.Int32(),
    "long": pl.Int64(),
    "float": pl.Float32(),
    "double": pl.Float64(),
    "bytes": pl.Binary(),
    "string": pl.String(),
}
_LOGICAL: dict[str, pl.DataType] = {"timestamp-micros": pl.Datetime("us", "UTC"), "date": pl.Date()}


def polars_schema(contract: Contract, columns: Sequence[str] | None = None) -> dict[str, pl.DataType]:
    """Column types of a contract's frame.

    Args:
        contract: The reader's contract.
        columns: Projection in its own order; None for every field in the contract's order.

    Raises:
        Misconfigured: A column is no field of the contract, or has a type that contracts do not use.
    """
    types = {field["name"]: field["type"] for field in contract.schema["fields"]}
    unknown = [name for name in columns or () if name not in types]
    if unknown:
        raise Misconfigured(f"{contract.name} has no field {unknown[0]!r}")
    return {name: polars_type(types[name]) for name in columns or types}


def arrow_schema(contract: Contract) -> pa.Schema:
    """Arrow schema of a contract's Parquet files: plain strings and decimal128, enums as dictionaries."""
    nullable = {field["name"]: is_nullable(field["type"]) for field in contract.schema["fields"]}
    types = {name: arrow_type(dtype) for name, dtype in polars_schema(contract).items()}
    return pa.schema([pa.field(name, dtype, nullable=nullable[name]) for name, dtype in types.items()])


def is_nullable(avro: AvroType) -> bool:
    """Whether null is a value of the type."""
    return isinstance(avro, list) and "null" in avro


def polars_type(avro: AvroType) -> pl.DataType:
    """Polars type of an Avro type; null in a union only makes the column nullable."""
    if isinstance(avro, list):
        branches = [branch for branch in avro if branch != "null"]
        if len(branches) == 1:
            return polars_type(branches[0])
    elif isinstance(avro, str) and avro in _PRIMITIVE:
        return _PRIMITIVE[avro]
    elif isinstance(avro, dict):
        return _complex(avro)
    raise Misconfigured(f"contracts do not use the Avro type {avro!r}")


def _complex(avro: dict[str, object]) -> pl.DataType:
    logical = avro.get("logicalType")
    if logical == "decimal":
        return pl.Decimal(_integer(avro["precision"]), _integer(avro.get("scale", 0)))
    if isinstance(logical, str) and logical in _LOGICAL:
        return _LOGICAL[logical]
    kind, symbols, fields = avro["type"], avro.get("symbols"), avro.get("fields")
    if kind == "enum" and isinstance(symbols, list):
        return pl.Enum(symbols)
    if kind == "array":
        return pl.List(polars_type(avro["items"]))
    if kind == "record" and isinstance(fields, list):
        return pl.Struct({field["name"]: polars_type(field["type"]) for field in fields})
    return polars_type(kind)


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise Misconfigured(f"{value!r} should be an integer")
    return value


def arrow_type(dtype: pl.DataType) -> pa.DataType:
    """Arrow type for a Parquet column of this Polars type."""
    if isinstance(dtype, pl.List):
        return pa.list_(arrow_type(instance(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pa.struct([(field.name, arrow_type(instance(field.dtype))) for field in dtype.fields])
    if isinstance(dtype, pl.Enum):
        return pa.dictionary(pa.int32(), pa.string())
    if isinstance(dtype, pl.Decimal):
        return pa.decimal128(dtype.precision or 38, dtype.scale)
    if isinstance(dtype, pl.Datetime):
        return pa.timestamp(dtype.time_unit, dtype.time_zone)
    return _ARROW[type(dtype)]


_ARROW: dict[type[pl.DataType], pa.DataType] = {
    pl.Boolean: pa.bool_(),
    pl.Int32: pa.int32(),
    pl.Int64: pa.int64(),
    pl.Float32: pa.float32(),
    pl.Float64: pa.float64(),
    pl.Binary: pa.binary(),
    pl.String: pa.string(),
    pl.Date: pa.date32(),
    pl.Null: pa.null(),
}


def instance(dtype: Any) -> pl.DataType:
    """A type that Polars may have given as its class."""
    made: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return made
