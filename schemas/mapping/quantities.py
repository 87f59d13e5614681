"""Numbers with units: from what the source counts in to what the contract wants, by exact factors."""

from __future__ import annotations

from fractions import Fraction

import polars as pl

from schemas.mapping.numbers import FACTOR_DIGITS, read_decimals
from schemas.mapping.parsed import Parsed
from schemas.mapping.rules import Numbers, Rule, UnitFrom
from schemas.mapping.units import BASE, UNITS, factor


def target_unit(rule: Rule, contract_unit: str | None) -> str | None:
    """Unit that a rule converts to; None where the source names its unit row by row and none is declared."""
    if rule.to is not None:
        return rule.to
    if contract_unit in UNITS:
        return contract_unit
    return BASE[UNITS[rule.unit].dimension] if isinstance(rule.unit, str) and rule.unit in UNITS else None


def fixed_factor(rule: Rule, contract_unit: str | None) -> Fraction | None:
    """The factor of a rule whose unit does not change from row to row.

    Raises:
        ValueError: There is no such conversion, or the factor has too many digits to stay exact.
    """
    result = Fraction(rule.factor) if rule.factor is not None else Fraction(1)
    if isinstance(rule.unit, str):
        result *= unit_factor(rule.unit, target_unit(rule, contract_unit))
    if result <= 0 or max(result.numerator, result.denominator) >= 10**FACTOR_DIGITS:
        raise ValueError(f"the factor must be above 0 and a fraction of numbers below 10^{FACTOR_DIGITS}")
    return None if result == 1 else result


def unit_factor(source: str, target: str | None) -> Fraction:
    """Factor between two units.

    Raises:
        ValueError: One is unknown, or they measure different things.
    """
    found = factor(source, target) if target is not None else None
    if found is None:
        raise ValueError(f"there is no conversion from the unit '{source}' to '{target}'")
    return found


def read_quantities(
    texts: pl.Series, rule: Rule, style: Numbers, contract_unit: str | None, units: pl.Series | None
) -> Parsed:
    """Read numbers and convert them; `units` are the rows' unit words where a column names them."""
    if not isinstance(rule.unit, UnitFrom) or units is None:
        return read_decimals(texts, style, fixed_factor(rule, contract_unit))
    words = pl.DataFrame({"text": texts, "unit": units}, schema={"text": pl.String, "unit": pl.String})
    factors = _factors(rule, rule.unit, target_unit(rule, contract_unit), words["unit"].drop_nulls().unique())
    words = words.with_columns(
        pl.col("unit").replace_strict(factors["word"], factors[name], default=default).alias(name)
        for name, default in (("numerator", None), ("denominator", None), ("reason", "unit_unknown"))
    )
    numbers = words.select(
        pl.col("numerator").cast(pl.Int128).fill_null(1), pl.col("denominator").cast(pl.Int128).fill_null(1)
    )
    read = read_decimals(texts, style, numbers)
    wrong = words.select(pl.when(pl.col("text").is_not_null()).then("reason")).to_series()
    reasons = read.reasons.zip_with(read.reasons.is_not_null(), wrong.alias("reason"))
    return Parsed(read.values.set(reasons.is_not_null(), None), reasons)


def _factors(rule: Rule, unit: UnitFrom, target: str | None, words: pl.Series) -> pl.DataFrame:
    """Numerator, denominator or reason of each unit word that occurs."""
    own = Fraction(rule.factor) if rule.factor is not None else Fraction(1)
    rows: list[tuple[str, int | None, int | None, str | None]] = []
    for word in words:
        code = unit.codes.get(word, word)
        found = factor(code, target) if target is not None and code in UNITS else None
        if found is None:
            rows.append((word, None, None, "unit_mismatch" if code in UNITS else "unit_unknown"))
        else:
            total = found * own
            rows.append((word, total.numerator, total.denominator, None))
    names = {"word": pl.String, "numerator": pl.Int64, "denominator": pl.Int64, "reason": pl.String}
    return pl.DataFrame(rows, schema=names, orient="row")
