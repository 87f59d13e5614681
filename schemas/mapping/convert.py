"""One field of a record from the columns of a row, by its rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from millrace.errors import Misconfigured
from schemas.mapping import durations, identity, numbers, quantities, sql, times, words
from schemas.mapping.model import Mapping
from schemas.mapping.ours import OURS_NUMBERS, Target, narrowed, read_ours
from schemas.mapping.parsed import Parsed
from schemas.mapping.rules import Numbers, Rule, Times, UnitFrom

_TEXT = pl.String()


@dataclass(slots=True)
class Value:
    """A field's values, why rows have none, and what the source wrote."""

    values: pl.Series
    reasons: pl.Series
    texts: pl.Series


def read_value(frame: pl.DataFrame, rule: Rule, target: Target, mapping: Mapping) -> Value:
    """Find and read one value per row.

    Args:
        frame: Rows with all columns that the rule names.
        rule: Where the value comes from and how it is written.
        target: What it is read for.
        mapping: Declares words, numbers and times for all values.

    Raises:
        Misconfigured: A column that the rule names does not exist, or its type cannot become the target's.
    """
    if rule.value is not None:
        return _constant(frame.height, rule.value, target)
    source, failed = _source(frame, rule, target)
    texts = _texts(source)
    if source.dtype == _TEXT:
        parsed = _read_texts(frame, _without_missing(texts, rule, mapping), rule, target, mapping)
    else:
        parsed = _read_typed(frame, source, rule, target, mapping)
    parsed = _with_failures(parsed, failed)
    if rule.on_error == "missing":
        parsed = Parsed.good(parsed.values)
    return _completed(parsed, texts, rule, target)


def _constant(height: int, text: str, target: Target) -> Value:
    one = read_ours(pl.Series("value", [text], dtype=pl.String), target)
    repeated = pl.Series("text", [text], dtype=pl.String).new_from_index(0, height)
    return Value(
        one.values.cast(target.dtype).new_from_index(0, height),
        one.reasons.new_from_index(0, height),
        repeated,
    )


def _source(frame: pl.DataFrame, rule: Rule, target: Target) -> tuple[pl.Series, dict[int, str]]:
    """The column, joined columns, expression or hash that a rule starts from."""
    if rule.expr is not None:
        found = sql.evaluate(frame, rule.expr, target.place)
        return found.values, found.failed
    wanted = rule.hash_of if rule.hash_of is not None else rule.from_ or []
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        raise Misconfigured(f"{target.place}: there is no column '{absent[0]}'; there are {_names(frame)}")
    if rule.hash_of is not None:
        return identity.hashed(frame, rule, target.salt), {}
    if len(wanted) == 1:
        return frame[wanted[0]], {}
    return frame.select(
        pl.concat_str([pl.col(n).cast(_TEXT) for n in wanted], separator=rule.separator)
    ).to_series(), {}


def _names(frame: pl.DataFrame) -> str:
    return ", ".join(f"'{name}'" for name in frame.columns if name not in {"_line", "_raw", "_lines"})


def _texts(source: pl.Series) -> pl.Series:
    if source.dtype == _TEXT:
        return source.alias("text")
    if source.dtype.is_nested() or source.dtype == pl.Binary:
        return pl.Series("text", [None if v is None else str(v) for v in source.to_list()], dtype=pl.String)
    return source.cast(_TEXT).alias("text")


def _without_missing(texts: pl.Series, rule: Rule, mapping: Mapping) -> pl.Series:
    """Joined, split and calculated texts may hold words for missing that the columns did not."""
    kept = words.clean(pl.col("text"), [*mapping.missing, *rule.missing], trim=mapping.trim)
    return pl.DataFrame({"text": texts}).select(kept).to_series()


def _read_texts(frame: pl.DataFrame, texts: pl.Series, rule: Rule, target: Target, mapping: Mapping) -> Parsed:
    if rule.codes is not None:
        codes = mapping.code_lists[rule.codes] if isinstance(rule.codes, str) else rule.codes
        coded = words.read_codes(texts, codes, rule)
        parsed = read_ours(coded.values, target)
        return Parsed(parsed.values, coded.reasons.zip_with(coded.reasons.is_not_null(), parsed.reasons))
    if rule.duration is not None or target.kind == "duration":
        return durations.read_durations(texts, rule.duration or ["iso8601"])
    if target.kind in {"number", "integer"}:
        return _read_number(frame, texts, rule, target, mapping)
    if target.kind == "boolean":
        return words.read_booleans(texts, rule)
    if target.kind in {"time", "date"}:
        style = time_style(rule, mapping)
        return times.read_times(texts, style) if target.kind == "time" else times.read_dates(texts, style.formats)
    return read_ours(texts, target)


def _read_number(frame: pl.DataFrame, texts: pl.Series, rule: Rule, target: Target, mapping: Mapping) -> Parsed:
    style = number_style(rule, mapping)
    if target.kind == "integer":
        return narrowed(numbers.read_integers(texts, style), target)
    units = _units(frame, rule, target, mapping)
    return quantities.read_quantities(texts, rule, style, target.unit, units)


def _read_typed(frame: pl.DataFrame, source: pl.Series, rule: Rule, target: Target, mapping: Mapping) -> Parsed:
    """Read a column that a conversion or expression has typed already."""
    dtype = source.dtype
    if dtype == pl.Null:
        return Parsed.good(pl.Series("value", [None], dtype=target.dtype).new_from_index(0, source.len()))
    if dtype.is_float() and target.kind in {"number", "integer", "duration"}:
        raise Misconfigured(f"{target.place}: gives floats, which drift; CAST(... AS DECIMAL(18,6)) keeps it exact")
    numeric = dtype.is_integer() or dtype.is_decimal()
    if target.kind in {"number", "duration"} and numeric:
        plain = Numbers(rounding=number_style(rule, mapping).rounding)
        units = _units(frame, rule, target, mapping)
        return quantities.read_quantities(_texts(source), rule, plain, target.unit, units)
    if target.kind == "integer" and numeric:
        return narrowed(numbers.read_integers(_texts(source), OURS_NUMBERS), target)
    same = (pl.Boolean, "boolean"), (pl.Date, "date"), (pl.List, "list")
    if any(dtype == polars_type and target.kind == kind for polars_type, kind in same):
        return Parsed.good(source.cast(target.dtype))
    if target.kind == "time" and isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return Parsed.good(source.dt.convert_time_zone("UTC").dt.cast_time_unit("us"))
    return _read_texts(frame, _without_missing(_texts(source), rule, mapping), rule, target, mapping)


def _units(frame: pl.DataFrame, rule: Rule, target: Target, mapping: Mapping) -> pl.Series | None:
    if not isinstance(rule.unit, UnitFrom):
        return None
    if rule.unit.from_ not in frame.columns:
        raise Misconfigured(f"{target.place}.unit: there is no column '{rule.unit.from_}'")
    return _without_missing(_texts(frame[rule.unit.from_]), rule, mapping)


def _with_failures(parsed: Parsed, failed: dict[int, str]) -> Parsed:
    if not failed:
        return parsed
    reasons = parsed.reasons.to_list()
    for row in failed:
        reasons[row] = "expression"
    return Parsed(parsed.values, pl.Series("reason", reasons, dtype=pl.String))


def _completed(parsed: Parsed, texts: pl.Series, rule: Rule, target: Target) -> Value:
    """Fill in the default and refuse what is still missing though required."""
    frame = pl.DataFrame({"value": parsed.values.cast(target.dtype), "reason": parsed.reasons})
    open_ = pl.col("value").is_null() & pl.col("reason").is_null()
    default = "" if rule.default is None and target.kind == "list" else rule.default
    if default is not None:
        ours = read_ours(pl.Series("value", [default], dtype=pl.String), target).values.cast(target.dtype)
        frame = frame.with_columns(value=pl.when(open_).then(pl.lit(ours).first()).otherwise("value"))
    if rule.required or target.required:
        frame = frame.with_columns(reason=pl.when(open_).then(pl.lit("missing")).otherwise("reason"))
    return Value(frame["value"], frame["reason"], texts)


def number_style(rule: Rule, mapping: Mapping) -> Numbers:
    """How a rule's numbers are written."""
    return mapping.numbers.model_copy(update=_given(rule, Numbers))


def time_style(rule: Rule, mapping: Mapping) -> Times:
    """How a rule's times are written."""
    return mapping.times.model_copy(update=_given(rule, Times))


def _given(rule: Rule, style: type[Numbers] | type[Times]) -> dict[str, Any]:
    given = {name: getattr(rule, name) for name in style.model_fields}
    return {name: value for name, value in given.items() if value is not None}
