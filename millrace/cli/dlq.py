"""`millrace dlq`: look at dead letters, send them again, or give them up."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dataflows.file_letters import write_rows
from millrace.cli import desk_options as options
from millrace.cli.dlq_tables import counts_table, letters_table, show_letter, show_report
from millrace.errors import Misconfigured
from millrace.ledger.actions import MOST_REPLAYS
from millrace.ledger.bulk import BulkReport, Limits
from millrace.ledger.letters import LetterFilter

app = typer.Typer(no_args_is_help=True)

Letters = Annotated[list[str] | None, typer.Argument(metavar="[LETTER]...", help="Single letters by identity.")]


@app.callback()
def dlq() -> None:
    """Dead letters: what was given up, by whom it has to be mended, and the way back.

    Exit codes: 0 done, 1 some letters were left out or are still to do, or a system is down; 2 wrong use.
    """


@app.command("list")
def list_letters(
    ledger: options.LedgerUrl = None,
    config: options.Config = None,
    *,
    kinds: options.Kinds = None,
    classes: options.Classes = None,
    codes: options.Codes = None,
    flows: options.Flows = None,
    owners: options.Owners = None,
    plants: options.Plants = None,
    orders: options.Orders = None,
    states: options.States = None,
    since: options.Since = None,
    every: Annotated[bool, typer.Option("--all", help="In every state; else those that wait: open, parked.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Letters on a page.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where the last page ended.")] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Count by reason instead.")] = False,
    as_json: options.Json = False,
) -> None:
    """Letters, newest first, or their counts by reason."""
    which = options.wanted(
        kinds=kinds,
        classes=classes,
        codes=codes,
        flows=flows,
        owners=owners,
        plants=plants,
        orders=orders,
        states=states or ([] if every else ["open", "parked"]),
        since=since,
    )
    if counts:
        found = options.at_desk(ledger, config, lambda desk: desk.counts(which))
        if as_json:
            options.as_json([asdict(each) for each in found])
        else:
            Console().print(counts_table(found))
        return
    page = options.at_desk(ledger, config, lambda desk: desk.list(which, limit, cursor))
    if as_json:
        plain = [{n: v for n, v in asdict(each).items() if n != "payload"} for each in page.letters]
        options.as_json({"letters": plain, "cursor": page.cursor})
        return
    Console().print(letters_table(page.letters))
    if page.cursor is not None:
        Console().print(f"more: --cursor {page.cursor}", highlight=False)


@app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="LETTER", help="Identity of the letter.")],
    ledger: options.LedgerUrl = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> None:
    """One letter: its origin, its record, its document and postings, and what was done to it."""
    shown = options.at_desk(ledger, config, lambda desk: desk.show(letter))
    if as_json:
        options.as_json({**asdict(shown.report), "record": shown.record})
    else:
        show_letter(shown, Console())


@app.command()
def replay(
    letters: Letters = None,
    ledger: options.LedgerUrl = None,
    config: options.Config = None,
    *,
    why: options.Why,
    who: options.Who = None,
    kinds: options.Kinds = None,
    classes: options.Classes = None,
    codes: options.Codes = None,
    flows: options.Flows = None,
    owners: options.Owners = None,
    plants: options.Plants = None,
    orders: options.Orders = None,
    since: options.Since = None,
    every: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
    payload: Annotated[Path | None, typer.Option("--payload", help="Corrected record for one letter.")] = None,
    cap: Annotated[int, typer.Option("--cap", min=1, help="Times that a letter may be sent again.")] = MOST_REPLAYS,
    order_files: Annotated[
        list[str] | None, typer.Option("--order-file", help="WorkOrder records for totals, instead of the topic.")
    ] = None,
    material_files: Annotated[
        list[str] | None, typer.Option("--material-file", help="Material records for totals, instead of the topic.")
    ] = None,
    rate: options.Rate = None,
    most: options.Most = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Send letters again, each on the way it came: records to their topic, totals and postings through the ledger.

    An interrupted run goes on where it stopped when it is called again with the same selection.
    """
    which = _chosen(
        options.wanted(
            letters,
            kinds=kinds,
            classes=classes,
            codes=codes,
            flows=flows,
            owners=owners,
            plants=plants,
            orders=orders,
            since=since,
        ),
        every,
    )
    by, limits, corrected = options.person(who, why), Limits(rate, most), _read(payload)
    report = options.at_desk(
        ledger,
        config,
        lambda desk: desk.replay(which, by, payload=corrected, cap=cap, limits=limits, dry_run=dry_run),
        order_files or (),
        material_files or (),
    )
    _end(report, as_json)


@app.command()
def discard(
    letters: Letters = None,
    ledger: options.LedgerUrl = None,
    config: options.Config = None,
    *,
    why: options.Why,
    who: options.Who = None,
    kinds: options.Kinds = None,
    classes: options.Classes = None,
    codes: options.Codes = None,
    flows: options.Flows = None,
    owners: options.Owners = None,
    plants: options.Plants = None,
    orders: options.Orders = None,
    since: options.Since = None,
    every: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
    rate: options.Rate = None,
    most: options.Most = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Give letters up for good: what they tell of is neither counted nor booked."""
    which = _chosen(
        options.wanted(
            letters,
            kinds=kinds,
            classes=classes,
            codes=codes,
            flows=flows,
            owners=owners,
            plants=plants,
            orders=orders,
            since=since,
        ),
        every,
    )
    by, limits = options.person(who, why), Limits(rate, most)
    report = options.at_desk(ledger, config, lambda desk: desk.discard(which, by, limits=limits, dry_run=dry_run))
    _end(report, as_json)


@app.command()
def rows(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run on files.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the rows; files in it are not written over.")],
    codes: options.Codes = None,
    classes: options.Classes = None,
    plants: options.Plants = None,
    as_json: options.Json = False,
) -> None:
    """Write the refused rows of a run on files to files of their own, to be mended and run again."""
    found = write_rows(run, out, options.wanted(codes=codes, classes=classes, plants=plants))
    if as_json:
        options.as_json(found)
    else:
        for name, count in found.items():
            typer.echo(f"{count} rows of {name}")
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
