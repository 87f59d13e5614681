"""Numbers as texts to exact values: declared marks, no floats, nothing rounded unless declared.

All arithmetic is on 128-bit integers: at most 15 digits before and 12 behind the decimal mark, times a
factor whose numerator has at most 10 digits, stays below 10^37.
"""

from __future__ import annotations

import re
from fractions import Fraction

import polars as pl

from schemas.mapping.parsed import Parsed, from_frame
from schemas.mapping.rules import Numbers, Rounding

WHOLE_DIGITS, DECIMALS, FACTOR_DIGITS = 15, 12, 10
_QUANTITY = pl.Decimal(18, 6)
_MICRO = 10**6
_LARGEST = 10**18


def read_decimals(texts: pl.Series, style: Numbers, factor: Fraction | pl.DataFrame | None = None) -> Parsed:
    """Read numbers as decimal(18,6).

    Args:
        texts: Trimmed texts; null is missing.
        style: How they are written and whether more than six decimals are rounded.
        factor: What each is multiplied by: one for all, or columns `numerator` and `denominator` (Int128),
            one per row.
    """
    frame = _parts(texts, style)
    plain = _fits_plainly(frame)
    if factor is None and plain:
        value = pl.concat_str(["sign", "whole", pl.lit("."), "decimals"]).cast(_QUANTITY, strict=False)
        return from_frame(frame.with_columns(value=value))
    frame = frame.hstack(_factors(frame, factor)).with_columns(mantissa=_mantissa())
    return from_frame(_scaled(frame, style.rounding))


def read_integers(texts: pl.Series, style: Numbers) -> Parsed:
    """Read whole numbers as Int64; decimals must be zeros."""
    frame = _parts(texts, style)
    value = pl.concat_str(["sign", "whole"]).cast(pl.Int64, strict=False)
    whole = pl.col("decimals").str.strip_chars_end("0") == ""
    reason = (
        pl.when(pl.col("reason").is_not_null())
        .then("reason")
        .when(~whole)
        .then(pl.lit("not_an_integer"))
        .when(value.is_null())
        .then(pl.lit("out_of_range"))
    )
    return from_frame(frame.with_columns(value=pl.when(reason.is_null()).then(value), reason=reason))


def _parts(texts: pl.Series, style: Numbers) -> pl.DataFrame:
    """Sign, whole digits and decimals of each text, or the reason `not_a_number`."""
    frame = pl.DataFrame({"text": texts.alias("text")})
    text = pl.col("text")
    if style.thousands == " ":
        text = text.str.replace_all("[\u00a0\u202f]", " ")
    found = text.str.extract_groups(_pattern(style))
    whole = found.struct.field("whole")
    if style.thousands:
        whole = whole.str.replace_all(style.thousands, "", literal=True)
    parts = frame.with_columns(
        sign=found.struct.field("sign") if not style.trailing_minus else _either_sign(found),
        whole=whole.fill_null("").str.strip_chars_start("0").replace("", "0"),
        decimals=found.struct.field("decimals").fill_null("").str.strip_chars_end("0"),
        # The engine's expressions cannot look ahead, so that there is a digit at all is asked apart.
        matched=found.struct.field("all").is_not_null() & text.str.contains("[0-9]"),
    )
    good = pl.col("matched")
    return parts.with_columns(
        pl.when(good).then(pl.when(pl.col("sign") == "-").then(pl.lit("-")).otherwise(pl.lit(""))).alias("sign"),
        pl.when(good).then("whole").alias("whole"),
        reason=pl.when(~good).then(pl.lit("not_a_number")),
    )


def _pattern(style: Numbers) -> str:
    mark = re.escape(style.decimal)
    digits = "[0-9]+"
    if style.thousands:
        digits = rf"[0-9]{{1,3}}(?:{re.escape(style.thousands)}[0-9]{{3}})+|[0-9]+"
    body = rf"(?P<whole>{digits})?(?:{mark}(?P<decimals>[0-9]*))?"
    trailing = r"(?P<trailing>-?)" if style.trailing_minus else ""
    return rf"^(?P<all>(?P<sign>[+-]?){body}{trailing})$"


def _either_sign(found: pl.Expr) -> pl.Expr:
    trailing = found.struct.field("trailing")
    return pl.when(trailing == "-").then(trailing).otherwise(found.struct.field("sign"))


def _fits_plainly(frame: pl.DataFrame) -> bool:
    """Whether every number has at most 12 whole digits and six decimals."""
    longest = frame.select(
        whole=pl.col("whole").str.len_bytes().max(), decimals=pl.col("decimals").str.len_bytes().max()
    ).row(0)
    return (longest[0] or 0) <= 12 and (longest[1] or 0) <= 6


def _factors(frame: pl.DataFrame, factor: Fraction | pl.DataFrame | None) -> pl.DataFrame:
    if isinstance(factor, pl.DataFrame):
        return factor
    one = factor or Fraction(1)
    return frame.select(
        numerator=pl.repeat(one.numerator, pl.len(), dtype=pl.Int128),
        denominator=pl.repeat(one.denominator, pl.len(), dtype=pl.Int128),
    )


def _mantissa() -> pl.Expr:
    """The number times 10^12 as an integer; null where it is too long to calculate with."""
    digits = pl.concat_str(["whole", pl.col("decimals").str.pad_end(DECIMALS, "0")])
    short = (pl.col("whole").str.len_bytes() <= WHOLE_DIGITS) & (pl.col("decimals").str.len_bytes() <= DECIMALS)
    return pl.when(short).then(digits).cast(pl.Int128, strict=False)


def _scaled(frame: pl.DataFrame, rounding: Rounding) -> pl.DataFrame:
    """Multiply by the factor and round to six decimals; the sign comes last, so rounding is symmetric."""
    divisor = pl.col("denominator") * _integer(_MICRO)
    product = pl.col("mantissa") * pl.col("numerator")
    frame = frame.with_columns(quotient=product // divisor, rest=product % divisor, divisor=divisor)
    micros = pl.col("quotient") + _round_up(rounding).cast(pl.Int128)
    inexact = (pl.col("rest") != 0) if rounding == "reject" else pl.lit(value=False)
    frame = frame.with_columns(micros=micros, inexact=inexact)
    reason = (
        pl.when(pl.col("reason").is_not_null())
        .then("reason")
        .when(pl.col("whole").str.len_bytes() > WHOLE_DIGITS)
        .then(pl.lit("out_of_range"))
        .when(pl.col("mantissa").is_null() | pl.col("inexact"))
        .then(pl.lit("too_many_decimals"))
        .when(pl.col("micros") >= _integer(_LARGEST))
        .then(pl.lit("out_of_range"))
    )
    frame = frame.with_columns(reason=reason)
    signed = pl.when(pl.col("sign") == "-").then(_integer(0) - pl.col("micros")).otherwise(pl.col("micros"))
    kept = pl.when(pl.col("reason").is_null()).then(signed)
    # A Decimal of scale 6 times one millionth only moves the mark: exact.
    wide = pl.Decimal(38, 6)
    value = kept.cast(wide) * pl.lit("0.000001").cast(wide)
    return frame.with_columns(value=value.cast(_QUANTITY))


def _round_up(rounding: Rounding) -> pl.Expr:
    """Whether the magnitude goes up by one millionth."""
    twice = pl.col("rest") * _integer(2)
    if rounding == "half_up":
        return twice >= pl.col("divisor")
    if rounding == "half_even":
        odd = pl.col("quotient") % _integer(2) == 1
        return (twice > pl.col("divisor")) | ((twice == pl.col("divisor")) & odd)
    return pl.lit(value=False)


def _integer(number: int) -> pl.Expr:
    return pl.lit(number, dtype=pl.Int128)
