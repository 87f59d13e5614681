"""Records of one contract from the rows that make them."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from schemas.mapping import chains, convert, identity, sql
from schemas.mapping.contract_shape import contract_fields, frame_schema
from schemas.mapping.model import Mapping, Output
from schemas.mapping.ours import Target
from schemas.mapping.rules import Rule

REJECTS = pl.Schema(
    {
        "_line": pl.Int64(),
        "field": pl.String(),
        "reason": pl.String(),
        "text": pl.String(),
    }
)


@dataclass(slots=True)
class Made:
    """What one output made.

    Args:
        frame: The contract's columns and `_line`; rows with a reject are still in it.
        rows: `_row` of the rows that make a record.
        rejects: Frames of `_line`, `field`, `reason`, `text`; a row may be in several.
        numbered: State of occurrence numbers.
    """

    frame: pl.DataFrame
    rows: pl.Series
    rejects: list[pl.DataFrame] = field(default_factory=list)
    numbered: chains.Numbered = field(default_factory=dict)


def rules_of(mapping: Mapping, output: Output) -> dict[str, Rule]:
    """Rule by field of the contract: the mapping's common rules, then the output's own."""
    fields = contract_fields(output.contract)
    common = {name: rule for name, rule in mapping.fields.items() if name in fields}
    return common | output.fields


def make(frame: pl.DataFrame, index: int, mapping: Mapping, numbered: chains.Numbered) -> Made:
    """Make the records of output number `index`.

    Args:
        frame: Rows with every column that its rules name, `_line` and `_row`.
        index: Place of the output in the mapping.
        mapping: The mapping.
        numbered: State of occurrence numbers from the batch before.
    """
    output, place = mapping.outputs[index], f"outputs.{index}"
    rows, rejects = _chosen(frame, output, place)
    rules = rules_of(mapping, output)
    salt = _salt(output, rules)
    rows, numbered = _numbered(rows, rules, numbered)
    columns = []
    for name, shape in contract_fields(output.contract).items():
        rule = rules.get(name)
        if rule is None:
            columns.append(pl.Series(name, [shape.absent], dtype=shape.dtype).new_from_index(0, rows.height))
            continue
        target = Target.of(shape, f"{place}.fields.{name}", salt)
        value = convert.read_value(rows, rule, target, mapping)
        columns.append(value.values.alias(name))
        rejects += refused(rows, name, value)
    made = pl.DataFrame([*columns, rows["_line"]], schema=frame_schema(output.contract))
    return Made(made, rows["_row"], rejects, numbered)


def _salt(output: Output, rules: dict[str, Rule]) -> str:
    """What hashed ids start with: two plants or two records of one row never share an id."""
    plant = rules.get("plant")
    return "\x1f".join([output.identity, plant.value if plant is not None and plant.value is not None else ""])


def _chosen(frame: pl.DataFrame, output: Output, place: str) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Rows that make this record."""
    if output.any_of:
        frame = frame.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in output.any_of))
    if output.when is None:
        return frame, []
    found = sql.condition(frame, output.when, f"{place}.when")
    return frame.filter(found.values), failures(frame, "when", found.failed)


def _numbered(
    rows: pl.DataFrame, rules: dict[str, Rule], held: chains.Numbered
) -> tuple[pl.DataFrame, chains.Numbered]:
    """Add the occurrence number of equal rows where the event id takes it in."""
    rule = rules.get("event_id")
    if rule is None or rule.repeated != "occurrence":
        return rows, held
    keys = identity.hashed(rows, rule.model_copy(update={"repeated": "same"}), "")
    numbers, held = chains.occurrences(keys, rows["_line"], held)
    return rows.with_columns(numbers.alias(identity.OCCURRENCE)), held


def refused(rows: pl.DataFrame, name: str, value: convert.Value) -> list[pl.DataFrame]:
    """Rejects for rows whose value cannot be read."""
    if value.reasons.null_count() == value.reasons.len():
        return []
    bad = pl.DataFrame([rows["_line"], value.reasons.alias("reason"), value.texts.alias("text")])
    return [bad.filter(pl.col("reason").is_not_null()).select("_line", pl.lit(name).alias("field"), "reason", "text")]


def failures(frame: pl.DataFrame, name: str, failed: dict[int, str]) -> list[pl.DataFrame]:
    """Rejects for rows that an expression cannot be worked out for."""
    if not failed:
        return []
    lines = frame["_line"].gather(list(failed)).to_list()
    rows = [(line, name, "expression", message) for line, message in zip(lines, failed.values(), strict=True)]
    return [pl.DataFrame(rows, schema=REJECTS, orient="row")]
