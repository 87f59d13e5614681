"""The data dictionary as a table: meaning, unit, standard and source contract of every column of tables and views."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import polars as pl

from schemas.contracts import contract
from schemas.dictionary import fields_with_paths, type_words, unit_words
from sinks.history.catalog import views
from sinks.history.freshness import FRESHNESS
from sinks.history.given import GIVEN
from sinks.history.ledger_tables import LEDGER, MEANINGS, ledger_schema
from sinks.history.places import Place
from sinks.history.store import write
from sinks.history.tables import SEGMENTS, SHIFTS, TABLES

FILE = "_dictionary.parquet"
PAGE = "_dictionary.md"
COLUMNS: dict[str, tuple[str, str]] = {
    "table_name": ("", "Table or view."),
    "column_name": ("", "Column; dots and brackets name fields inside fields and arrays."),
    "type": ("", "Type."),
    "unit": ("", "Unit: a UN/ECE Rec 20 code, a word, or the name of the column that holds it."),
    "standard": ("", "Standard that the term is from."),
    "contract": ("", "Contract that the column comes from; null for a column of a view."),
    "topic": ("", "Topic, that is folder of the history; null for a column of a view."),
    "meaning": ("", "What it means."),
}
_PLACE = {
    "date": ("date", "DAY", "UTC date of the event; part of the path, not of the file."),
    "partition": ("int", "", "Partition of the topic that the event was read from; 0 for a file."),
    "offset": ("long", "records", "Offset in the partition, or line of the file."),
}
_SHIFTS = {
    "plant": "Plant.",
    "begins": "Start of this part of the time line, UTC.",
    "ends": "End of it, exclusive, UTC.",
    "shift": "Shift by the plant's calendar; empty outside all shifts.",
    "posting_date": "Local date on which the shift starts.",
    "shift_start": "Start of the shift, UTC; of the local day outside all shifts.",
    "shift_end": "End of the shift, UTC; of the local day outside all shifts.",
}
_Row = tuple[str, str, str, str, str, str | None, str | None, str]


def dictionary() -> pl.DataFrame:
    """One row per column, columns of COLUMNS."""
    rows = [*_contracts(), *_views(), *_beside()]
    return pl.DataFrame(rows, dict.fromkeys(COLUMNS, pl.String()), orient="row")


def write_dictionary(root: Place) -> None:
    """Keep the dictionary in the history, as Parquet and as a page; each is replaced by one rename."""
    table, out = dictionary(), BytesIO()
    table.write_parquet(out)
    write(root / FILE, out.getvalue())
    write(root / PAGE, _page(table).encode())


def _page(table: pl.DataFrame) -> str:
    parts = ["# Data dictionary of this history\n"]
    for (name,), rows in table.group_by("table_name", maintain_order=True):
        parts.append(
            f"## {name}\n\n| column | type | unit | standard | contract | meaning |\n|---|---|---|---|---|---|"
        )
        cells = rows.select("column_name", "type", "unit", "standard", pl.col("contract").fill_null(""), "meaning")
        parts += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in cells.iter_rows()]
        parts.append("")
    return "\n".join(parts)


def _contracts() -> Iterator[_Row]:
    for table, name in TABLES.items():
        of = contract(name)
        for path, each in fields_with_paths(of.schema, ""):
            kind, standard = type_words(each["type"]), str(each.get("standard", ""))
            yield table, path, kind, unit_words(each), standard, name, of.topic, each["doc"]
        for column, (kind, unit, meaning) in _PLACE.items():
            if column not in of.fields:
                yield table, column, kind, unit, "", name, of.topic, meaning


def _views() -> Iterator[_Row]:
    for view in views().values():
        for column in view.columns:
            yield view.name, column.name, "", column.about, "", None, None, column.meaning


def _beside() -> Iterator[_Row]:
    for table, columns in GIVEN.items():
        for name, each in columns.items():
            yield table, name, str(each.type), each.unit, "", None, None, each.meaning
    for table in LEDGER:
        for name, kind in ledger_schema(table).items():
            unit = "us" if isinstance(kind, pl.Datetime) else ""
            yield table, name, str(kind), unit, "", None, None, f"{MEANINGS[table]} Column {name} of the ledger."
    for name, meaning in _SHIFTS.items():
        yield (
            SHIFTS,
            name,
            str(SEGMENTS[name]),
            "us" if isinstance(SEGMENTS[name], pl.Datetime) else "",
            "",
            None,
            None,
            meaning,
        )
    for name, (dtype, unit, meaning) in FRESHNESS.items():
        yield "freshness", name, str(dtype), unit, "", None, None, meaning
    for name, (unit, meaning) in COLUMNS.items():
        yield "dictionary", name, "String", unit, "", None, None, meaning
