"""Quantities in the base unit of their material: stock is compared and added in one unit alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from operators.references import Conversions


def in_base_unit(
    rows: pl.DataFrame, conversions: Conversions, quantities: Sequence[str] = ("quantity",)
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows with `quantities` in the material's base unit, and the rows of which no conversion is known.

    Args:
        rows: With plant, material, unit and the quantities; the columns stay as they are.
        conversions: Factors by material, exact; results are rounded half-even to six decimals.
        quantities: Columns to convert.
    """
    found = [_converted(row, conversions, quantities) for row in rows.to_dicts()]
    good = [row for row in found if row is not None]
    stuck = rows.filter(pl.Series([row is None for row in found], dtype=pl.Boolean))
    return pl.DataFrame(good, schema=rows.schema, orient="row"), stuck


def _converted(row: dict[str, Any], conversions: Conversions, quantities: Sequence[str]) -> dict[str, Any] | None:
    known = conversions.materials.get((row["plant"], row["material"]))
    if known is None:
        return None
    where, base = (row["plant"], row["material"]), known["base_unit"]
    values = {name: conversions.convert(*where, row[name], row["unit"], base) for name in quantities}
    if any(value is None for value in values.values()):
        return None
    return {**row, **values, "unit": base}
