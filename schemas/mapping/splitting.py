"""One cell that holds several values, taken apart by a pattern with named groups."""

from __future__ import annotations

import polars as pl

from schemas.mapping.model import Mapping, Split
from schemas.mapping.words import clean


def apply_splits(frame: pl.DataFrame, splits: list[Split], mapping: Mapping) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Add a column per named group.

    Returns:
        The rows, and the rejects as frames of `_line`, `field`, `reason`, `text`.
    """
    rejects = []
    for split in splits:
        groups = pl.col(split.column).str.extract_groups(f"^(?:{split.pattern})$")
        names = [field.name for field in frame.clear().select(groups).to_series().dtype.fields]  # type: ignore[attr-defined]  # a struct
        matched = pl.col(split.column).str.contains(f"^(?:{split.pattern})$")
        if split.on_mismatch == "reject":
            bad = frame.filter(pl.col(split.column).is_not_null() & ~matched)
            rejects.append(
                bad.select(
                    "_line",
                    field=pl.lit(split.column),
                    reason=pl.lit("split_mismatch"),
                    text=pl.col(split.column),
                )
            )
        parts = {
            name: clean(groups.struct.field(name), mapping.missing, trim=mapping.trim)
            for name in names
            if not name.isdigit()
        }
        frame = frame.with_columns(**parts)
    return frame, rejects
