"""SQL expressions over the columns of a row.

An expression sees one row at a time, whatever its batch: aggregates, windows and clocks are refused, since a
result that depends on how rows fell into batches would differ after a restart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import polars as pl
from polars.exceptions import PanicException, PolarsError

from millrace.errors import Misconfigured

_TEXT = re.compile(r"'(?:[^']|'')*'")
_NAME = re.compile(r'"([^"]+)"|([^\W\d]\w*)')
_NOT_PER_ROW = re.compile(
    r"\b(over|sum|count|avg|mean|median|min|max|first|last|any_value|stddev\w*|stdev\w*|var\w*|lag|lead|rank|"
    r"dense_rank|row_number|corr|covar\w*|quantile\w*|array_agg|string_agg|unnest|explode|random|rand)\s*\("
    r"|\b(select|now|current_date|current_time|current_timestamp|limit|union)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Evaluated:
    """Values of an expression, one per row, and the rows that it cannot be worked out for.

    Args:
        values: One per row; null where it failed.
        failed: Engine's message by index of the row.
    """

    values: pl.Series
    failed: dict[int, str] = field(default_factory=dict)


def check(expression: str) -> str | None:
    """What is wrong with an expression before any row is seen; None when nothing is."""
    bare = _TEXT.sub("''", expression)
    found = _NOT_PER_ROW.search(bare)
    if found:
        return f"'{found.group().strip('( ')}' looks beyond one row"
    schema = dict.fromkeys(names(expression), pl.String())
    try:
        pl.DataFrame(schema=schema).sql(_query(expression))
    except (PolarsError, PanicException) as error:
        return _not_a_type_error(error)
    return None


def _not_a_type_error(error: BaseException) -> str | None:
    """Types are only known once rows are read: here only what no type would mend counts."""
    if type(error).__name__ in {"SQLInterfaceError", "SQLSyntaxError", "ComputeError", "PanicException"}:
        return f"is no SQL expression: {_first_line(error)}"
    return None


def names(expression: str) -> set[str]:
    """Every name in an expression that may be a column; keywords and functions among them do no harm."""
    return {quoted or plain for quoted, plain in _NAME.findall(_TEXT.sub("", expression))}


def evaluate(frame: pl.DataFrame, expression: str, place: str) -> Evaluated:
    """Work an expression out for every row.

    Args:
        frame: Rows.
        expression: SQL expression, checked before.
        place: Where it stands in the mapping, for errors.

    Raises:
        Misconfigured: It fits no row at all: a column is missing or a type cannot be calculated with.
    """
    try:
        return Evaluated(_run(frame, expression))
    except (PolarsError, PanicException):
        _refuse_if_it_fits_no_row(frame, expression, place)
    failed: dict[int, str] = {}
    return Evaluated(_piece(frame, expression, (0, frame.height), failed), failed)


def condition(frame: pl.DataFrame, expression: str, place: str, *, unknown: bool | None = False) -> Evaluated:
    """Work a condition out for every row; `unknown` is what a missing answer counts as.

    Raises:
        Misconfigured: It fits no row at all, or gives something else than true and false.
    """
    found = evaluate(frame, expression, place)
    if found.values.dtype not in {pl.Boolean, pl.Null}:
        raise Misconfigured(f"{place}: is no condition: it gives {found.values.dtype}, not true or false")
    values = found.values.cast(pl.Boolean)
    return Evaluated(values if unknown is None else values.fill_null(value=unknown), found.failed)


def _piece(frame: pl.DataFrame, expression: str, span: tuple[int, int], failed: dict[int, str]) -> pl.Series:
    """Values of a span of rows, halved again and again until the failing rows stand alone."""
    start, length = span
    try:
        return _run(frame.slice(start, length), expression)
    except (PolarsError, PanicException) as error:
        if length == 1:
            failed[start] = _first_line(error)
            return pl.Series("value", [None], dtype=_type(frame, expression))
    middle = length // 2
    one = _piece(frame, expression, (start, middle), failed)
    return pl.concat([one, _piece(frame, expression, (start + middle, length - middle), failed)])


def _run(frame: pl.DataFrame, expression: str) -> pl.Series:
    values = frame.sql(_query(expression)).to_series()
    if values.len() == 1 and frame.height != 1:
        values = values.new_from_index(0, frame.height)
    if values.len() != frame.height:
        raise PolarsError(f"gives {values.len()} values for {frame.height} rows")
    return values


def _type(frame: pl.DataFrame, expression: str) -> pl.DataType:
    return _run(frame.clear(), expression).dtype


def _refuse_if_it_fits_no_row(frame: pl.DataFrame, expression: str, place: str) -> None:
    try:
        _run(frame.clear(), expression)
    except (PolarsError, PanicException) as error:
        raise Misconfigured(f"{place}: {_first_line(error)}") from error


def _query(expression: str) -> str:
    return f"SELECT ({expression}) AS value FROM self"  # noqa: S608  # the frame is all it can see


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
