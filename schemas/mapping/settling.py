"""The end of a batch: rows with a reject make no record, and every row is accounted for once."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from schemas.mapping import reasons
from schemas.mapping.batch import RowReject
from schemas.mapping.contract_shape import frame_schema
from schemas.mapping.outputs import REJECTS


def whole_rows(made: list[tuple[str, pl.DataFrame]], rejected: pl.Series) -> dict[str, pl.DataFrame]:
    """Frames by contract without the rows that have a reject anywhere."""
    frames: dict[str, list[pl.DataFrame]] = {}
    for name, frame in made:
        kept = frame.filter(~pl.col("_line").is_in(rejected.implode())) if rejected.len() else frame
        if kept.height:
            frames.setdefault(name, []).append(kept)
    return {
        name: (pl.concat(parts).sort("_line", maintain_order=True) if len(parts) > 1 else parts[0]).select(
            list(frame_schema(name))
        )
        for name, parts in frames.items()
    }


def with_joined(first: pl.DataFrame, wide: pl.DataFrame) -> pl.DataFrame:
    """Every line of a rejected joined record is rejected, not only its first."""
    if "_lines" not in wide.columns or first.height == 0:
        return first
    groups = wide.filter(pl.col("_line").is_in(first["_line"].implode()) & (pl.col("_lines").list.len() > 1))
    lines = groups.select(leader="_line", _line="_lines").explode("_line", empty_as_null=False, keep_nulls=False)
    others = lines.filter(pl.col("_line") != pl.col("leader")).join(first, on="_line", how="anti")
    named = others.join(first.rename({"_line": "leader"}), on="leader")
    text = pl.concat_str(
        [pl.lit("line "), pl.col("leader"), pl.lit(", "), pl.col("field"), pl.lit(": "), pl.col("reason")]
    )
    extra = named.select("_line", "field", text=text).with_columns(reason=pl.lit("joined")).select(list(REJECTS))
    return pl.concat([first, extra]).unique("_line", keep="first", maintain_order=True).sort("_line")


def lines_behind(wide: pl.DataFrame, taken: pl.Series) -> int:
    """Lines behind the records that were taken."""
    if "_lines" not in wide.columns:
        return taken.len()
    return int(wide.filter(pl.col("_line").is_in(taken.implode()))["_lines"].list.len().sum())


def row_rejects(first: pl.DataFrame, read: pl.DataFrame) -> list[RowReject]:
    """Rejects with their sentences and the rows as read."""
    if first.height == 0:
        return []
    rows = read.filter(pl.col("_line").is_in(first["_line"].implode())).unique("_line", keep="first")
    raw = {row["_line"]: _raw(row) for row in rows.iter_rows(named=True)}
    return [
        RowReject(line, name, reason, _detail(name, reason, text), raw.get(line, b""))
        for line, name, reason, text in first.iter_rows()
    ]


def _detail(name: str, reason: str, text: str | None) -> str:
    said = reasons.sentence(reason, text)
    return f"{name}: {said}" if name else said


def _raw(row: dict[str, Any]) -> bytes:
    raw = row.get("_raw")
    if raw is None:
        raw = json.dumps({k: v for k, v in row.items() if not k.startswith("_") and v is not None}, ensure_ascii=False)
    return raw if isinstance(raw, bytes) else str(raw).encode()
