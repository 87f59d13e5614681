"""Values as we write them ourselves: constants, defaults and the right-hand sides of code lists.

Decimal points, ISO 8601, the contract's own words and units, whatever the source does; so they can be checked
before any row is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from schemas.mapping import lists, numbers, times, words
from schemas.mapping.contract_shape import Field
from schemas.mapping.parsed import Parsed
from schemas.mapping.rules import Numbers, Rule, Times

#: How constants and defaults are written, whatever the source does.
OURS_NUMBERS, OURS_TIMES = Numbers(), Times()
#: Polars type of each kind of converted column.
DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Decimal(18, 6),
    "duration": pl.Decimal(18, 6),
    "boolean": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}


@dataclass(slots=True)
class Target:
    """What a value is read for.

    Args:
        kind: text, integer, number, boolean, enum, time, date, list or duration.
        dtype: Polars type of the result.
        unit: Unit that the contract declares for it.
        required: Whether the contract forbids that it is missing.
        symbols: Allowed values of an enum.
        place: Where the rule stands in the mapping, for errors.
        salt: Names the output, for hashed ids.
    """

    kind: str
    dtype: pl.DataType
    unit: str | None = None
    required: bool = False
    symbols: tuple[str, ...] = ()
    place: str = ""
    salt: str = ""

    @classmethod
    def of(cls, field: Field, place: str, salt: str) -> Target:
        """Target for a field of a contract."""
        return cls(field.kind, field.dtype, field.unit, not field.nullable, field.symbols, place, salt)


def read_ours(texts: pl.Series, target: Target) -> Parsed:
    """Read texts that are written our way."""
    return _READERS[target.kind](texts, target)


def _symbols(texts: pl.Series, target: Target) -> Parsed:
    allowed = texts.is_in(list(target.symbols))
    reasons = pl.DataFrame({"text": texts, "ok": allowed}).select(
        pl.when(pl.col("text").is_not_null() & ~pl.col("ok")).then(pl.lit("not_allowed")).alias("reason")
    )
    return Parsed(texts.cast(target.dtype, strict=False), reasons.to_series())


def narrowed(parsed: Parsed, target: Target) -> Parsed:
    """Whole numbers in the contract's own width."""
    values = parsed.values.cast(target.dtype, strict=False)
    too_large = values.is_null() & parsed.values.is_not_null()
    return (
        Parsed(values, parsed.reasons.set(too_large, "out_of_range"))
        if too_large.any()
        else Parsed(values, parsed.reasons)
    )


_READERS: dict[str, Callable[[pl.Series, Target], Parsed]] = {
    "text": lambda texts, _: Parsed.good(texts),
    "list": lambda texts, _: lists.read_lists(texts),
    "number": lambda texts, _: numbers.read_decimals(texts, OURS_NUMBERS),
    "duration": lambda texts, _: numbers.read_decimals(texts, OURS_NUMBERS),
    "integer": lambda texts, target: narrowed(numbers.read_integers(texts, OURS_NUMBERS), target),
    "boolean": lambda texts, _: words.read_booleans(texts, Rule(value="")),
    "enum": _symbols,
    "time": lambda texts, _: times.read_times(texts, OURS_TIMES),
    "date": lambda texts, _: times.read_dates(texts, ["iso8601"]),
}
