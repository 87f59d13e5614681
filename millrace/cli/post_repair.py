"""`millrace post retry`, `park`, `approve`, `reject`, `confirm-booked`: what a person may do, each with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from dataflows.settings import ConfirmationsSettings
from millrace.cli import desk_options as options
from millrace.cli.dlq_tables import show_report
from millrace.cli.status import asked, ledger_url
from millrace.errors import Misconfigured, Rejected, Retriable
from millrace.ledger.bulk import Limits
from millrace.ledger.desk import Desk
from millrace.ledger.repair import Change
from millrace.settings import load
from sinks.erp.settings import PosterSettings

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[POSTING]...", help="External references, document keys, or letters."),
]
Config = Annotated[Path | None, typer.Option("--config", help="Settings of the poster; they name the ledger.")]


def retry(
    names: Names = None,
    ledger: options.LedgerUrl = None,
    config: Config = None,
    *,
    why: options.Why,
    who: options.Who = None,
    orders: options.Orders = None,
    plants: options.Plants = None,
    codes: options.Codes = None,
    not_booked: Annotated[
        bool,
        typer.Option("--not-booked", help="You have looked: the ERP has it not. A parked posting is sent unasked."),
    ] = False,
    rate: options.Rate = None,
    most: options.Most = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Let the poster work on documents again: rejected ones are planned anew, parked ones are asked for first.

    With --order, --plant or --code, all rejected and parked documents of that kind, resumable.
    """
    by, limits = options.person(who, why), Limits(rate, most)
    if names:
        again = {"not_booked": not_booked, "dry_run": dry_run}
        _each(names, _url(ledger, config), rate, as_json, lambda desk, name: desk.retry(name, by, **again))
    if not (orders or plants or codes):
        raise Misconfigured("name postings, or --order, --plant or --code")
    if not_booked:
        raise Misconfigured("--not-booked: only of postings that are named can somebody have looked")
    which = options.wanted(kinds=["POSTING"], orders=orders, plants=plants, codes=codes, states=["open", "parked"])
    url = _url(ledger, config)
    report = asked(url, lambda found: Desk(found).replay(which, by, limits=limits, dry_run=dry_run))
    if as_json:
        options.as_json(asdict(report))
    else:
        show_report(report, Console())
    raise typer.Exit(0 if report.finished and not report.skipped else 1)


def park(
    names: Names = None,
    ledger: options.LedgerUrl = None,
    config: Config = None,
    *,
    why: options.Why,
    who: options.Who = None,
    rate: options.Rate = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Take documents out of the queue until a person decides."""
    by = options.person(who, why)
    if not names:
        raise Misconfigured("name the postings or documents to park")
    _each(names, _url(ledger, config), rate, as_json, lambda desk, name: desk.park(name, by, dry_run=dry_run))


def confirm_booked(
    name: Annotated[
        str, typer.Argument(metavar="POSTING", help="External reference; or a document or letter: its newest posting.")
    ],
    ledger: options.LedgerUrl = None,
    config: Config = None,
    *,
    number: Annotated[str, typer.Option("--number", help="Number of the ERP's document, as you found it there.")],
    why: options.Why,
    who: options.Who = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Say that the ERP has a posting: it counts as booked, and only what is missing is posted."""
    by = options.person(who, why)
    _each(
        [name],
        _url(ledger, config),
        None,
        as_json,
        lambda desk, each: desk.confirm_booked(each, number, by, dry_run=dry_run),
    )


def approve(
    names: Names = None,
    ledger: options.LedgerUrl = None,
    config: Config = None,
    *,
    why: options.Why,
    who: options.Who = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Let documents that await approval be posted; who approved stands in them."""
    by = options.person(who, why)
    if not names:
        raise Misconfigured("name the documents to approve; `millrace status` shows which wait")
    _each(names, _url(ledger, config), None, as_json, lambda desk, name: desk.approve(name, by, dry_run=dry_run))


def reject(
    names: Names = None,
    ledger: options.LedgerUrl = None,
    config: Config = None,
    *,
    why: options.Why,
    who: options.Who = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Keep documents that await approval from being posted; `post retry` asks for approval once more."""
    by = options.person(who, why)
    if not names:
        raise Misconfigured("name the documents to reject; `millrace status` shows which wait")
    _each(names, _url(ledger, config), None, as_json, lambda desk, name: desk.refuse(name, by, dry_run=dry_run))


def _each(
    names: Sequence[str], url: str, rate: float | None, as_json: bool, act: Callable[[Desk, str], Change]
) -> None:
    """Act on one after the other; one that cannot be done now does not keep the others."""
    done, left = asked(url, lambda ledger: _acted(Desk(ledger), names, rate, act))
    if as_json:
        options.as_json({"done": [asdict(change) for change in done], "left_out": dict(left)})
    else:
        _show(done, left)
    raise typer.Exit(1 if left else 0)


def _acted(
    desk: Desk, names: Sequence[str], rate: float | None, act: Callable[[Desk, str], Change]
) -> tuple[list[Change], list[tuple[str, str]]]:
    done: list[Change] = []
    left: list[tuple[str, str]] = []
    for place, name in enumerate(names):
        if place and rate:
            time.sleep(1 / rate)
        try:
            done.append(act(desk, name))
        except (Rejected, Retriable) as error:
            left.append((name, str(error)))
    return done, left


def _show(done: Sequence[Change], left: Sequence[tuple[str, str]]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for change in done:
        what = f"posting {change.external_reference} of " if change.external_reference else ""
        console.print(f"{what}document {escape(change.document_key)}: {change.before} to {change.after}")
    for name, why in left:
        console.print(f"left out {escape(name)}: {escape(why)}")


def _url(ledger: str | None, config: Path | None) -> str:
    """The ledger from the command line, or from the poster's settings."""
    flow = load(ConfirmationsSettings, None)
    if config is not None:
        named = load(PosterSettings, config, prefix="MILLRACE_POST_").ledger
        flow = flow.model_copy(update={"ledger": named})
    return ledger_url(ledger, flow)
