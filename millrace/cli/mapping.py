"""`millrace mapping`: try a mapping file on a sample before a plant joins by it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millrace.errors import Misconfigured
from schemas.mapping import MappedBatch, RowReject, load
from sources.files import FileReader

app = typer.Typer(no_args_is_help=True)

ALL_FINE, SOME_REJECTED, INVALID = 0, 1, 2
#: Most rejected rows that are listed; the counts are over all.
LISTED = 50


@app.callback()
def mapping() -> None:
    """Mapping files: how a foreign source's rows become records of our contracts."""


@dataclass(slots=True)
class Report:
    """What a mapping makes of a sample.

    Args:
        shown: Most records kept per contract.
        counts: Rows read, mapped, rejected and filtered.
        records: Records by contract.
        reasons: Rejected rows by field and reason.
        rejects: The first rejected rows with their file.
        first: The first records by contract.
    """

    shown: int
    counts: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    rejects: list[tuple[str, RowReject]] = field(default_factory=list)
    first: dict[str, pl.DataFrame] = field(default_factory=dict)

    def add(self, file: str, mapped: MappedBatch) -> None:
        """Take one batch in."""
        for name in ("read", "mapped", "rejected", "filtered"):
            self.counts[name] += getattr(mapped, name)
        for reject in mapped.rejects:
            self.reasons[reject.field, reject.reason] += 1
        self.rejects += [(file, reject) for reject in mapped.rejects[: LISTED - len(self.rejects)]]
        for name, frame in mapped.frames.items():
            self.records[name] += frame.height
            kept = self.first.get(name, frame.clear())
            self.first[name] = pl.concat([kept, frame.head(self.shown - kept.height)])


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="MAP", help="Mapping file (YAML).")],
    sample: Annotated[str, typer.Option("--sample", help="File, directory or pattern of files of the source.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    rows: Annotated[int, typer.Option(min=0, help="Records shown per contract.")] = 5,
) -> None:
    """Map a sample; show the first records, what would be rejected and why, and how many of each.

    Exit code 0: every row is fine. 1: some rows are rejected. 2: the mapping or the file is invalid.

    Example: `millrace mapping check press.yaml --sample press.csv`
    """
    report = Report(rows)
    try:
        for batch in FileReader(sample, load(path)):
            report.add(batch.file, batch.mapped)
    except Misconfigured as error:
        _print_invalid(str(error), as_json=as_json)
        raise typer.Exit(INVALID) from error
    if as_json:
        typer.echo(json.dumps(_plain(report), ensure_ascii=False, indent=2))
    else:
        _print(report, Console())
    raise typer.Exit(SOME_REJECTED if report.counts["rejected"] else ALL_FINE)


def _print_invalid(message: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"invalid": message.splitlines()}, ensure_ascii=False, indent=2))
    else:
        typer.echo(message, err=True)


def _plain(report: Report) -> dict[str, Any]:
    return {
        **{name: report.counts[name] for name in ("read", "mapped", "rejected", "filtered")},
        "records": dict(report.records),
        "reasons": [{"field": f, "reason": r, "rows": n} for (f, r), n in report.reasons.most_common()],
        "rejects": [
            {"file": file, "line": r.line, "field": r.field, "reason": r.reason, "detail": r.detail}
            for file, r in report.rejects
        ],
        "first": {
            name: [{column: _shown(value) for column, value in row.items()} for row in frame.to_dicts()]
            for name, frame in report.first.items()
        },
    }


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _print(report: Report, console: Console) -> None:
    for name, frame in report.first.items():
        if frame.height:
            console.print(_records(name, frame, report.records[name]))
    if report.reasons:
        console.print(_reasons(report))
        console.print(_rejects(report))
    counts = ", ".join(f"{name} {report.counts[name]}" for name in ("read", "mapped", "rejected", "filtered"))
    made = ", ".join(f"{n} {name}" for name, n in report.records.items()) or "no records"
    console.print(f"rows: {counts}; records: {made}", highlight=False)


def _records(name: str, frame: pl.DataFrame, total: int) -> Table:
    """Fields downwards, records sideways: contracts have more fields than a screen has columns."""
    table = Table(title=f"{name}: first {frame.height} of {total}", title_justify="left")
    table.add_column("field")
    for line in frame["_line"]:
        table.add_column(f"line {line}", overflow="fold")
    for column in frame.columns:
        values = frame[column].to_list()
        if column != "_line" and any(value is not None for value in values):
            table.add_row(column, *("" if value is None else escape(str(value)) for value in values))
    return table


def _reasons(report: Report) -> Table:
    table = Table(title="Rejected rows by reason", title_justify="left")
    for title in ("rows", "field", "reason"):
        table.add_column(title, justify="right" if title == "rows" else "left")
    for (name, reason), count in report.reasons.most_common():
        table.add_row(str(count), escape(name), reason)
    return table


def _rejects(report: Report) -> Table:
    table = Table(title=f"First {len(report.rejects)} rejected rows", title_justify="left")
    for title in ("file", "line", "field", "reason", "what"):
        table.add_column(title, overflow="fold", justify="right" if title == "line" else "left")
    for file, reject in report.rejects:
        cells = (Path(file).name, str(reject.line), reject.field, reject.reason, reject.detail)
        table.add_row(*(escape(cell) for cell in cells))
    return table
