"""Texts as the mapping means them: blanks cut, words for missing made missing, code lists applied."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from schemas.mapping.parsed import Parsed, from_frame
from schemas.mapping.rules import Rule


def clean(column: pl.Expr, missing: Iterable[str], *, trim: bool) -> pl.Expr:
    """A text column without surrounding blanks; the empty text and every word for missing become null."""
    text = column.str.strip_chars() if trim else column
    return pl.when(~text.is_in(["", *missing])).then(text)


def read_codes(texts: pl.Series, codes: dict[str, str], rule: Rule) -> Parsed:
    """Replace their words by ours; a word that is not listed becomes `other`, or the reason `code_unknown`.

    A word whose code is the empty text means missing.
    """
    frame = pl.DataFrame({"text": texts.alias("text")}, schema={"text": pl.String})
    key = pl.col("text")
    if rule.ignore_case:
        codes, key = {word.lower(): code for word, code in codes.items()}, key.str.to_lowercase()
    listed = key.is_in(list(codes))
    code = key.replace_strict(codes, default=None, return_dtype=pl.String)
    other = pl.lit(rule.other, dtype=pl.String)
    frame = frame.with_columns(
        value=pl.when(key.is_not_null()).then(pl.when(listed).then(code).otherwise(other)).replace("", None),
        reason=pl.when(~listed & other.is_null()).then(pl.lit("code_unknown")),
    )
    return from_frame(frame)


def read_booleans(texts: pl.Series, rule: Rule) -> Parsed:
    """Read declared words for true and false, without regard to case."""
    frame = pl.DataFrame({"text": texts.alias("text")}, schema={"text": pl.String})
    word = pl.col("text").str.to_lowercase()
    value = (
        pl.when(word.is_in([each.lower() for each in rule.true_words]))
        .then(pl.lit(value=True))
        .when(word.is_in([each.lower() for each in rule.false_words]))
        .then(pl.lit(value=False))
    )
    reason = pl.when(pl.col("value").is_null()).then(pl.lit("not_a_boolean"))
    return from_frame(frame.with_columns(value=value).with_columns(reason=reason))
