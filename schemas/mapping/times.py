"""Local and absolute times as texts to instants in UTC, with a declared choice where clocks are changed.

A text with an offset (`%z`, `Z`, epoch numbers) is an instant by itself; any other is local time of the
declared zone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import polars as pl

from schemas.mapping.parsed import Parsed, from_frame
from schemas.mapping.rules import Times

_NAIVE = pl.Datetime("us")
_INSTANT = pl.Datetime("us", "UTC")
_ISO_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_ISO_INSTANT = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%d %H:%M%#z",
)
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)
_EPOCH = r"^-?[0-9]{1,16}(?:\.[0-9]{1,9})?$"
_DIRECTIVE = re.compile(r"%(?:[-_0]?[YCymdeHkIlMSjUWuwGgV]|[bBhaADFTRpPsvrxXcntzZ+%]|\.?[369]?f|[:#]z)")
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}


def check_format(text: str) -> str | None:
    """What is wrong with a format of times; None when nothing is."""
    if text in EPOCHS or text == "iso8601":
        return None
    if "%" not in text:
        return f"'{text}' is neither a strptime pattern nor one of iso8601, {', '.join(EPOCHS)}"
    if "%" in _DIRECTIVE.sub("", text):
        return f"'{text}' has a directive that is not known"
    return None


def read_times(texts: pl.Series, style: Times) -> Parsed:
    """Read instants.

    Args:
        texts: Trimmed texts; null is missing.
        style: Formats in order, zone, and the choice where a local time happens twice or never.
    """
    instants, local = _parse(texts, style.formats)
    frame = pl.DataFrame({"text": texts.alias("text"), "instant": instants, "local": local})
    if style.zone is None or frame["local"].null_count() == frame.height:
        reason = pl.when(pl.col("instant").is_null()).then(
            pl.when(pl.col("local").is_null()).then(pl.lit("not_a_time")).otherwise(pl.lit("no_zone"))
        )
        frame = frame.with_columns(value="instant", reason=reason)
    else:
        frame = _localised(frame, style.zone, style)
    return from_frame(_plausible(frame))


def _plausible(frame: pl.DataFrame) -> pl.DataFrame:
    """Refuse instants outside 1970 to 2199: a sentinel or a wrong epoch unit."""
    far = ~pl.col("value").is_between(_EARLIEST, _LATEST)
    return frame.with_columns(
        value=pl.when(~far).then("value"),
        reason=pl.coalesce("reason", pl.when(far).then(pl.lit("time_out_of_range"))),
    )


def read_dates(texts: pl.Series, formats: list[str]) -> Parsed:
    """Read calendar dates by strptime patterns (`iso8601` stands for `%Y-%m-%d`)."""
    value = pl.Series("value", [None], dtype=pl.Date).new_from_index(0, texts.len())
    for pattern in formats:
        found = texts.str.strptime(pl.Date, "%Y-%m-%d" if pattern == "iso8601" else pattern, strict=False)
        value = value.zip_with(value.is_not_null(), found)
    frame = pl.DataFrame({"text": texts.alias("text"), "value": value})
    return from_frame(frame.with_columns(reason=pl.when(pl.col("value").is_null()).then(pl.lit("not_a_time"))))


def _parse(texts: pl.Series, formats: list[str]) -> tuple[pl.Series, pl.Series]:
    """Instants and local times; the first format that reads a text sets one of the two."""
    empty = pl.Series("x", [None], dtype=_NAIVE).new_from_index(0, texts.len())
    instants, local = empty.dt.replace_time_zone("UTC"), empty
    for pattern in formats:
        open_texts = texts.zip_with((instants.is_null() & local.is_null()), pl.Series([None], dtype=pl.String))
        if open_texts.null_count() == open_texts.len():
            break
        if pattern in EPOCHS:
            instants = _first(instants, _epoch(open_texts, EPOCHS[pattern]))
        elif pattern == "iso8601":
            for each in _ISO_INSTANT:
                instants = _first(instants, open_texts.str.strptime(_INSTANT, each, strict=False))
            for each in _ISO_LOCAL:
                local = _first(local, open_texts.str.strptime(_NAIVE, each, strict=False))
        elif "%z" in pattern or "%#z" in pattern or "%:z" in pattern or "%+" in pattern:
            instants = _first(instants, open_texts.str.strptime(_INSTANT, pattern, strict=False))
        else:
            local = _first(local, open_texts.str.strptime(_NAIVE, pattern, strict=False))
    return instants.alias("instant"), local.alias("local")


def _first(held: pl.Series, found: pl.Series) -> pl.Series:
    return held.zip_with(held.is_not_null(), found)


def _epoch(texts: pl.Series, micros: int) -> pl.Series:
    """Instants from counts since 1970; decimals of a second or millisecond are kept."""
    wide = pl.Decimal(38, 9)
    number = pl.when(pl.col("text").str.contains(_EPOCH)).then(pl.col("text")).cast(wide, strict=False)
    scaled = (number * pl.lit(micros).cast(wide)).cast(pl.Int64, strict=False)
    return pl.DataFrame({"text": texts}).select(scaled.cast(_NAIVE).dt.replace_time_zone("UTC")).to_series()


def _localised(frame: pl.DataFrame, zone: str, style: Times) -> pl.DataFrame:
    local = pl.col("local")
    frame = frame.with_columns(
        earlier=local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null"),
        later=local.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null"),
    )
    exists = pl.col("earlier").is_not_null()
    twice = exists & (pl.col("earlier") != pl.col("later"))
    chosen = pl.col("later" if style.ambiguous == "later" else "earlier").dt.convert_time_zone("UTC")
    shifted = _shifted(zone) if style.nonexistent == "shift" else pl.lit(None, dtype=_INSTANT)
    reason = (
        pl.when(pl.col("instant").is_not_null())
        .then(None)
        .when(local.is_null())
        .then(pl.lit("not_a_time"))
        .when(twice & (style.ambiguous == "reject"))
        .then(pl.lit("ambiguous_time"))
        .when(~exists & (style.nonexistent == "reject"))
        .then(pl.lit("nonexistent_time"))
    )
    frame = frame.with_columns(reason=reason)
    value = pl.coalesce("instant", chosen, shifted)
    return frame.with_columns(value=pl.when(pl.col("reason").is_null()).then(value))


def _shifted(zone: str) -> pl.Expr:
    """A skipped local time moved on by the length of the gap: read with the offset that held before it."""
    local = pl.col("local")
    before = local.dt.offset_by("-1d").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    # Offsets come in milliseconds; left so, they would take the microseconds from every other row.
    offset = (before.dt.base_utc_offset() + before.dt.dst_offset()).cast(pl.Duration("us"))
    return (local - offset).dt.replace_time_zone("UTC")
