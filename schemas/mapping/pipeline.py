"""A batch of foreign rows through the steps of a mapping."""

from __future__ import annotations

from typing import Any

import polars as pl

from millrace.errors import Misconfigured
from schemas.mapping import context, convert, longform, outputs, settling, sql
from schemas.mapping.batch import MappedBatch, State
from schemas.mapping.columns import possible_columns, source_columns
from schemas.mapping.model import Mapping
from schemas.mapping.ours import DTYPES, Target
from schemas.mapping.splitting import apply_splits
from schemas.mapping.words import clean

_OWN = {"_line", "_raw"}


def apply(mapping: Mapping, rows: pl.DataFrame, state: State | None = None, *, final: bool = False) -> MappedBatch:
    """Map one batch of rows; batches of one file or partition follow one another with their state.

    Args:
        mapping: A loaded mapping.
        rows: Text columns and `_line` (Int64, ascending); `_raw` (Binary or String) is the row as read and
            `_file` the name of its file, where known.
        state: What the batch before gave back; None at the start.
        final: Nothing follows in this file: rows that wait to be joined are let go.

    Raises:
        Misconfigured: The rows lack a column that the mapping names, or an expression fits no row at all.
    """
    return _Run(mapping, state or {}).run(rows, final=final)


class _Run:
    """One batch on its way; holds the rejects that the steps leave behind."""

    def __init__(self, mapping: Mapping, state: State) -> None:
        self.mapping = mapping
        self.state: State = dict(state)
        self.rejects: list[pl.DataFrame] = []

    def run(self, rows: pl.DataFrame, *, final: bool) -> MappedBatch:
        prepared = self._prepared(rows)
        kept = self._filtered(prepared)
        wide, read = self._widened(kept, prepared, final=final)
        self.excused = self._valueless(wide)
        wide = self._with_context(self._derived(self._converted(wide))).with_row_index("_row")
        made = self._made(wide)
        return self._settle(made, wide, read)

    def _prepared(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Names, words for missing, constants and split cells."""
        mapping = self.mapping
        rows = _with_source_columns(rows, mapping)
        texts = [name for name in rows.columns if name not in {*_OWN, "_file"}]
        rows = rows.with_columns(clean(pl.col(name), mapping.missing, trim=mapping.trim) for name in texts)
        rows = rows.rename({old: new for old, new in mapping.rename.items() if old in rows.columns})
        rows = rows.with_columns(pl.lit(text).alias(name) for name, text in mapping.constants.items())
        later = set(mapping.long.keys.values()) if mapping.long else set()
        return self._split(rows, {split.column for split in mapping.split} - later)

    def _split(self, rows: pl.DataFrame, columns: set[str]) -> pl.DataFrame:
        chosen = [split for split in self.mapping.split if split.column in columns]
        rows, rejects = apply_splits(rows, chosen, self.mapping)
        self.rejects += rejects
        return rows

    def _filtered(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows that the filter keeps; one that a split could not read is left out only by a clear no."""
        if self.mapping.filter is None:
            return rows
        found = sql.condition(rows, self.mapping.filter, "filter", unknown=None)
        self.rejects += outputs.failures(rows, "filter", found.failed)
        refused = rows.filter(found.values.eq_missing(other=False))["_line"]
        self.rejects = [each.filter(~pl.col("_line").is_in(refused.implode())) for each in self.rejects]
        return rows.filter(found.values.fill_null(value=False))

    def _widened(self, kept: pl.DataFrame, prepared: pl.DataFrame, *, final: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows that records are made of, and the rows as read that end in this batch."""
        long = self.mapping.long
        if long is None:
            return kept, prepared
        if self.rejects:  # a row that waits in the state must not be rejected now and mapped later
            kept = kept.join(pl.concat(self.rejects), on="_line", how="anti")
        widened = longform.widen(kept, long, self.state.pop("long", {}), final=final)
        if widened.held:
            self.state["long"] = widened.held
        if long.other_keys == "reject":
            self._reject(widened.unknown, long.key, "unknown_key", pl.col(long.key))
        left_out = prepared.join(kept, on="_line", how="anti") if kept.height < prepared.height else kept.clear()
        wide = self._split(widened.frame, set(long.keys.values()))
        return wide, pl.concat([left_out, widened.rows], how="diagonal")

    def _valueless(self, wide: pl.DataFrame) -> pl.Series:
        """Rows of the long format that only say that a value is missing need not make a record."""
        columns = sorted(set(self.mapping.long.keys.values())) if self.mapping.long else []
        missing = pl.all_horizontal(pl.col(name).is_null() for name in columns) if columns else pl.lit(value=False)
        return pl.Series("x", wide.select(missing.alias("x"), "_line")["x"])

    def _converted(self, wide: pl.DataFrame) -> pl.DataFrame:
        for name, rule in self.mapping.convert.items():
            target = Target(rule.type, DTYPES[rule.type], place=f"convert.{name}")
            value = convert.read_value(wide, rule, target, self.mapping)
            self.rejects += outputs.refused(wide, name, value)
            wide = wide.with_columns(value.values.alias(name))
        return wide

    def _derived(self, wide: pl.DataFrame) -> pl.DataFrame:
        for name, expression in self.mapping.derive.items():
            found = sql.evaluate(wide, expression, f"derive.{name}")
            self.rejects += outputs.failures(wide, name, found.failed)
            wide = wide.with_columns(found.values.alias(name))
        return wide

    def _with_context(self, wide: pl.DataFrame) -> pl.DataFrame:
        if self.mapping.context is None:
            return wide
        filled = context.fill(wide, self.mapping.context, self.state.get("context", {}), "context.fields")
        self.state["context"] = filled.held
        for row, name, message in filled.failed:
            self.rejects += outputs.failures(wide, name, {row: message})
        self.excused = self.excused | filled.carries
        return filled.frame

    def _made(self, wide: pl.DataFrame) -> list[tuple[str, outputs.Made]]:
        numbered: dict[str, Any] = dict(self.state.get("numbered", {}))
        made = []
        for index, output in enumerate(self.mapping.outputs):
            one = outputs.make(wide, index, self.mapping, numbered.get(output.identity, {}))
            self.rejects += one.rejects
            made.append((output.contract, one))
            if one.numbered:
                numbered[output.identity] = one.numbered
        if numbered:
            self.state["numbered"] = numbered
        return made

    def _settle(self, made: list[tuple[str, outputs.Made]], wide: pl.DataFrame, read: pl.DataFrame) -> MappedBatch:
        """Reject unmatched rows, take every rejected row's records back, and count."""
        if self.mapping.unmatched == "reject":
            matched = pl.concat([one.rows for _, one in made])
            missed = wide.filter(~self.excused & ~wide["_row"].is_in(matched.implode()))
            self._reject(missed, "", "unmatched", pl.lit(None, dtype=pl.String))
        first = self._first_rejects()
        frames = settling.whole_rows([(name, one.frame) for name, one in made], first["_line"])
        rejects = settling.row_rejects(settling.with_joined(first, wide), read)
        taken = pl.concat([frame["_line"] for frame in frames.values()]).unique() if frames else first["_line"].clear()
        count, mapped = read["_line"].n_unique(), settling.lines_behind(wide, taken)
        return MappedBatch(frames, rejects, count, mapped, count - mapped - len(rejects), self.state)

    def _reject(self, rows: pl.DataFrame, name: str, reason: str, text: pl.Expr) -> None:
        if rows.height:
            self.rejects.append(
                rows.select(
                    pl.col("_line"),
                    pl.lit(name).alias("field"),
                    pl.lit(reason).alias("reason"),
                    text.alias("text"),
                )
            )

    def _first_rejects(self) -> pl.DataFrame:
        """One reject per row: the first that was found."""
        if not self.rejects:
            return pl.DataFrame(schema=outputs.REJECTS)
        every = pl.concat([frame.cast(outputs.REJECTS) for frame in self.rejects])
        return every.unique("_line", keep="first", maintain_order=True).sort("_line")


def _with_source_columns(rows: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Columns that records may simply not have are added as missing; a CSV that lacks one does not fit."""
    strict = mapping.needs_header and rows.height > 0
    wanted = source_columns(mapping) if strict else possible_columns(mapping)
    absent = [name for name in wanted if name not in rows.columns]
    if not absent:
        return rows
    if strict:
        there = ", ".join(f"'{name}'" for name in rows.columns if not name.startswith("_"))
        raise Misconfigured(f"the file has no column '{absent[0]}'; it has {there}")
    return rows.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
