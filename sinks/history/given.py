"""Tables that no contract brings: what an analyst gives to a query as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from millrace.errors import Misconfigured


class GivenColumn(NamedTuple):
    """Type, unit and meaning of a column."""

    type: pl.DataType
    unit: str
    meaning: str


_TEXT, _QUANTITY = pl.String(), pl.Decimal(18, 6)
_PLANT = GivenColumn(_TEXT, "", "Plant.")
GIVEN: dict[str, dict[str, GivenColumn]] = {
    "planned_run_time": {
        "plant": _PLANT,
        "work_center": GivenColumn(_TEXT, "", "Work centre."),
        "order_id": GivenColumn(
            _TEXT, "", "Order; empty for every order of the work centre that has no row of its own."
        ),
        "operation": GivenColumn(_TEXT, "", "Operation of the order; empty with it."),
        "unit": GivenColumn(_TEXT, "", "Unit that is counted in, UN/ECE Rec 20."),
        "seconds": GivenColumn(_QUANTITY, "SEC", "Planned run time per unit (PRI of ISO 22400)."),
    },
}
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": lambda path: pl.read_csv(path, infer_schema=False),
    ".json": pl.read_json,
    ".jsonl": pl.read_ndjson,
    ".parquet": lambda path: pl.read_parquet(path, hive_partitioning=False),
}


def read_given(path: Path, table: str) -> pl.DataFrame:
    """Rows of a table of GIVEN; text columns that are left out or empty are null.

    Raises:
        Misconfigured: The file cannot be read, lacks a quantity, or holds a value of another type; the column is named.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise Misconfigured(f"{path}: a file of {table} ends in one of {', '.join(_READERS)}")
    try:
        rows = reader(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Misconfigured(f"{path}: is not readable: {error}") from error
    columns = GIVEN[table]
    unknown = [name for name in rows.columns if name not in columns]
    if unknown:
        raise Misconfigured(f"{path}: {table} has no column {unknown[0]!r}; it has {', '.join(columns)}")
    return rows.select(_column(path, rows, name, each) for name, each in columns.items())


def _column(path: Path, rows: pl.DataFrame, name: str, column: GivenColumn) -> pl.Series:
    if name not in rows.columns:
        if column.type != _TEXT:
            raise Misconfigured(f"{path}: the column {name!r} is missing")
        return pl.Series(name, [None] * rows.height, _TEXT)
    try:
        values = rows[name].cast(column.type)
    except pl.exceptions.PolarsError as error:
        raise Misconfigured(f"{path}: {name}: {error}") from error
    return values.replace("", None) if column.type == _TEXT else values
