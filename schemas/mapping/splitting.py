"""One cell that holds several values, taken apart by a pattern with named groups."""

from __future__ import annotations

import re

import polars as pl

from schemas.mapping.model import Mapping, Split
from schemas.mapping.words import clean

_GROUP = re.compile(r"\(\?P?<([A-Za-z_]\w*)>")


def group_names(pattern: str) -> set[str]:
    """Names of the groups of a pattern."""
    return set(_GROUP.findall(pattern))


def apply_splits(frame: pl.DataFrame, splits: list[Split], mapping: Mapping) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Add a column per named group.

    Returns:
        The rows, and the rejects as frames of `_line`, `field`, `reason`, `text`.
    """
    rejects = []
    for split in splits:
        groups = pl.col(split.column).str.extract_groups(f"^(?:{split.pattern})$")
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
            for name in sorted(group_names(split.pattern))
        }
        frame = frame.with_columns(**parts)
    return frame, rejects
