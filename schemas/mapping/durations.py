"""Durations as texts to seconds: `007:30` is seven and a half minutes or hours only by a declared pattern."""

from __future__ import annotations

import re
from functools import cache

import polars as pl

from schemas.mapping.parsed import Parsed, from_frame

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WITHIN = {"h": 24, "m": 60, "s": 60}
_TOKEN = re.compile(r"d+|h+|m+|s+(?:[.,]f+)?|.")
_ISO = (
    r"^P(?:(?P<d>[0-9]{1,6})D)?(?:T(?:(?P<h>[0-9]{1,8})H)?(?:(?P<m>[0-9]{1,9})M)?"
    r"(?:(?P<s>[0-9]{1,10})(?:[.,](?P<f>[0-9]{1,6}))?S)?)?$"
)


def check_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern of durations; None when nothing is."""
    if pattern == "iso8601":
        return None
    units = [token[0] for token in _TOKEN.findall(pattern) if token[0] in _SECONDS]
    if not units:
        return f"'{pattern}' names none of d, h, m, s"
    if units != sorted(set(units), key="dhms".index):
        return f"'{pattern}' must name each of d, h, m, s at most once and in this order"
    return None


def read_durations(texts: pl.Series, patterns: list[str]) -> Parsed:
    """Read durations as seconds, decimal(18,6), by the first pattern that matches.

    The first unit of a pattern may be of any size (`mmm:ss` reads `095:00`), the units behind it stay
    below the next one up (60 seconds, 60 minutes, 24 hours).
    """
    frame = pl.DataFrame({"text": texts.alias("text")}, schema={"text": pl.String})
    micros: list[pl.Expr] = [_micros(pattern) for pattern in patterns]
    wide = pl.Decimal(38, 6)
    seconds = (pl.coalesce(micros).cast(pl.Int128).cast(wide) * pl.lit("0.000001").cast(wide)).cast(pl.Decimal(18, 6))
    value = seconds.alias("value")
    reason = pl.when(pl.col("value").is_null()).then(pl.lit("not_a_duration"))
    return from_frame(frame.with_columns(value).with_columns(reason=reason))


def _micros(pattern: str) -> pl.Expr:
    expression, units = (_ISO, "dhmsf") if pattern == "iso8601" else _expression(pattern)
    groups = pl.col("text").str.extract_groups(expression)
    total = pl.lit(0, dtype=pl.Int64)
    found = pl.lit(value=False)
    for unit in units:
        digits = groups.struct.field(unit)
        found = found | digits.is_not_null()
        if unit == "f":
            part = digits.str.pad_end(6, "0").cast(pl.Int64)
        else:
            part = digits.cast(pl.Int64) * (_SECONDS[unit] * 1_000_000)
        total = total + part.fill_null(0)
    return pl.when(found).then(total)


@cache
def _expression(pattern: str) -> tuple[str, str]:
    """Regular expression of a pattern and the units that it captures; the first may have nine digits."""
    parts, units = [], ""
    for token in _TOKEN.findall(pattern):
        unit = token[0]
        if unit not in _SECONDS:
            parts.append(re.escape(token))
            continue
        parts.append(rf"(?P<{unit}>[0-9]{{1,9}})" if not units else rf"(?P<{unit}>{_below(_WITHIN[unit])})")
        units += unit
        if "f" in token:
            parts.append(rf"(?:{re.escape(token.rstrip('f')[-1])}(?P<f>[0-9]{{1,6}}))?")
            units += "f"
    return f"^{''.join(parts)}$", units


def _below(limit: int) -> str:
    return "[0-5]?[0-9]" if limit == 60 else "2[0-3]|[01]?[0-9]"
