"""`millrace dlq`: look at dead letters, send them again, or give them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dataflows.file_letters import write_rows
from millrace.cli import desk_options as options
from millrace.cli.dlq_tables import WAITING, show_counts, show_letter, show_letters, show_none, show_report
from millrace.cli.options import Json, Texts, grouped
from millrace.errors import Misconfigured
from millrace.ledger.actions import MOST_REPLAYS
from millrace.ledger.bulk import BulkReport, Limits
from millrace.ledger.letters import LetterCount, LetterFilter

app = typer.Typer(no_args_is_help=True)

Letters = Annotated[Texts, typer.Argument(metavar="LETTER", help="Single letters by identity.")]


@app.callback()
def dlq() -> None:
    """Dead letters: what was given up, by whom it has to be mended, and the way back.

    Exit codes: 0 done, 1 some letters were left out or are still to do, or a system is down; 2 wrong use.
    """


@app.command("list")
@grouped
def list_letters(
    where: options.Where,
    selection: options.Selection,
    *,
    states: options.States = None,
    every: Annotated[bool, typer.Option("--all", help="In every state; else those that wait: open, parked.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Letters on a page.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where the last page ended.")] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Count by reason instead.")] = False,
    as_json: Json = False,
) -> None:
    """Letters, newest first, or their counts by reason.

    Example: `millrace dlq list --config plant.yaml --code order_unknown --since 8h`
    """
    which = selection.wanted(states=states or (() if every else WAITING))
    if counts:
        _show_counts(where.at_desk(lambda desk: desk.counts(which)), which, as_json)
        return
    page = where.at_desk(lambda desk: desk.list(which, limit, cursor))
    if as_json:
        plain = [{n: v for n, v in asdict(each).items() if n != "payload"} for each in page.letters]
        options.as_json({"letters": plain, "cursor": page.cursor})
        return
    if page.letters:
        show_letters(page.letters, Console())
    else:
        show_none(which, Console())
    if page.cursor is not None:
        Console().print(f"more: --cursor {page.cursor}", highlight=False)


def _show_counts(found: Sequence[LetterCount], which: LetterFilter, as_json: bool) -> None:
    if as_json:
        options.as_json([asdict(each) for each in found])
    elif found:
        show_counts(found, Console())
    else:
        show_none(which, Console())


@app.command()
@grouped
def show(
    letter: Annotated[str, typer.Argument(metavar="LETTER", help="Identity of the letter.")],
    where: options.Where,
    as_json: Json = False,
) -> None:
    """One letter: its origin, its record, its document and postings, and what was done to it.

    Example: `millrace dlq show 74e232a5-16db-554b-803b-27d4cc405919 --config plant.yaml`
    """
    shown = where.at_desk(lambda desk: desk.show(letter))
    if as_json:
        options.as_json({**asdict(shown.report), "record": shown.record})
    else:
        show_letter(shown, Console())


@app.command()
@grouped
def replay(
    where: options.Where,
    selection: options.Selection,
    acting: options.Acting,
    letters: Letters = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
    payload: Annotated[Path | None, typer.Option("--payload", help="Corrected record for one letter.")] = None,
    cap: Annotated[int, typer.Option("--cap", min=1, help="Times that a letter may be sent again.")] = MOST_REPLAYS,
    order_files: Annotated[
        Texts,
        typer.Option("--order-file", help="WorkOrder records for totals, instead of the topic; may be given again."),
    ] = None,
    material_files: Annotated[
        Texts,
        typer.Option("--material-file", help="Material records for totals, instead of the topic; may be given again."),
    ] = None,
    rate: options.Rate = None,
    most: options.Most = None,
    as_json: Json = False,
) -> None:
    """Send letters again, each on the way it came: records to their topic, totals and postings through the ledger.

    An interrupted run goes on where it stopped when it is called again with the same selection.

    Example: `millrace dlq replay --code order_unknown --reason "the order has come" --config plant.yaml`
    """
    which, limits, corrected = _chosen(selection.wanted(letters), every), Limits(rate, most), _read(payload)
    report = where.at_desk(
        lambda desk: desk.replay(which, acting.by, payload=corrected, cap=cap, limits=limits, dry_run=acting.dry_run),
        order_files,
        material_files,
    )
    _end(report, as_json)


@app.command()
@grouped
def discard(
    where: options.Where,
    selection: options.Selection,
    acting: options.Acting,
    letters: Letters = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
    rate: options.Rate = None,
    most: options.Most = None,
    as_json: Json = False,
) -> None:
    """Give letters up for good: what they tell of is neither counted nor booked.

    Example: `millrace dlq discard --code not_a_number --plant 0100 --reason "test data" --config plant.yaml`
    """
    which, limits = _chosen(selection.wanted(letters), every), Limits(rate, most)
    report = where.at_desk(lambda desk: desk.discard(which, acting.by, limits=limits, dry_run=acting.dry_run))
    _end(report, as_json)


@app.command()
def rows(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run on files.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the rows; files in it are not written over.")],
    codes: options.Codes = None,
    classes: options.Classes = None,
    plants: options.Plants = None,
    as_json: Json = False,
) -> None:
    """Write the refused rows of a run on files to files of their own, to be mended and run again.

    Example: `millrace dlq rows results --out again --code not_a_number`
    """
    which = options.Selection(codes=codes, classes=classes, plants=plants).wanted()
    found = write_rows(run, out, which)
    if as_json:
        options.as_json(found)
    elif not found:
        typer.echo(f"{run}: no refused rows" + (" of these" if which.plain() else ""))
    for name, count in found.items() if not as_json else ():
        typer.echo(f"{count} rows of {name} are in {out / Path(name).name}")
    raise typer.Exit(0 if found else 1)


def _chosen(which: LetterFilter, every: bool) -> LetterFilter:
    """A change needs a selection: nobody discards everything by leaving something out."""
    if not which.plain() and not every:
        raise Misconfigured("name letters, a filter such as --code, or --all")
    return which if which.ids else replace(which, states=("open",))


def _read(payload: Path | None) -> bytes | None:
    if payload is None:
        return None
    try:
        return payload.read_bytes()
    except OSError as error:
        raise Misconfigured(f"--payload: {payload}: {error.strerror}") from error


def _end(report: BulkReport, as_json: bool) -> None:
    if as_json:
        options.as_json(asdict(report))
    else:
        show_report(report, Console())
    raise typer.Exit(0 if report.finished and not report.skipped else 1)
