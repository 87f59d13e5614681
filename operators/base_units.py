"""Quantities in the base unit of their material: stock is compared and added in one unit alone."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from operators.partials import QUANTITY
from operators.references import Conversions

_ONE = Decimal(1)


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


def with_ratio(components: pl.DataFrame, conversions: Conversions) -> pl.DataFrame:
    """Components with their base unit as `unit` where it is known, and as `up` / `down` what one of the former unit is.

    So what is used is rounded once, in the unit that it is booked in.
    """
    keys = components.select("plant", "component", "unit").rows()
    found = [conversions.ratio(*key) or (key[-1], _ONE, _ONE) for key in keys]
    schema = {"unit": pl.String(), "up": QUANTITY, "down": QUANTITY}
    ratios = pl.DataFrame(found, schema=schema, orient="row")
    return components.drop("unit").hstack(ratios.get_columns())


def _converted(row: dict[str, Any], conversions: Conversions, quantities: Sequence[str]) -> dict[str, Any] | None:
    known = conversions.materials.get((row["plant"], row["material"]))
    if known is None:
        return None
    where, base = (row["plant"], row["material"]), known["base_unit"]
    values = {name: conversions.convert(*where, row[name], row["unit"], base) for name in quantities}
    if any(value is None for value in values.values()):
        return None
    return {**row, **values, "unit": base}
