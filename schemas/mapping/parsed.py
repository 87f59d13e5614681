"""What reading a column of texts gives: values, and a reason where a text cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(slots=True)
class Parsed:
    """A column of values and why some of them are missing.

    Args:
        values: One per row; null where missing or unreadable.
        reasons: Machine-readable reason per row; null where the value is good or was missing in the source.
    """

    values: pl.Series
    reasons: pl.Series

    @classmethod
    def good(cls, values: pl.Series) -> Parsed:
        """Values that need no reading."""
        return cls(values, pl.Series("reason", [None], dtype=pl.String).new_from_index(0, values.len()))


def from_frame(frame: pl.DataFrame, text: str = "text", value: str = "value") -> Parsed:
    """Take the columns `value` and `reason` of a frame; a reason counts only where there is a text."""
    reasons = frame.select(pl.when(pl.col(text).is_not_null()).then(pl.col("reason"))).to_series()
    return Parsed(frame[value], reasons.alias("reason"))
