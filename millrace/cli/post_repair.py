"""`millrace post retry`, `park`, `approve`, `reject`, `confirm-booked`: what a person may do, each with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from dataflows.settings import ConfirmationsSettings
from millrace.cli import desk_options as options
from millrace.cli.dlq_tables import show_report
from millrace.cli.options import Json, LedgerUrl, Texts, grouped
from millrace.cli.status import asked, ledger_url
from millrace.errors import Misconfigured, Rejected, Retriable
from millrace.ledger.bulk import Limits
from millrace.ledger.desk import Desk
from millrace.ledger.repair import Change
from millrace.settings import load
from sinks.erp.settings import PosterSettings

Names = Annotated[Texts, typer.Argument(metavar="POSTING", help="External references, document keys, or letters.")]


@dataclass(frozen=True, slots=True)
class Where:
    """The ledger, from the command line or else from the settings of the poster."""

    ledger: LedgerUrl = None
    config: Annotated[Path | None, typer.Option("--config", help="Settings of the poster; they name the ledger.")] = (
        None
    )

    @property
    def url(self) -> str:
        """URL of the ledger.

        Raises:
            Misconfigured: Neither names one.
        """
        flow = load(ConfirmationsSettings, None)
        if self.config is not None:
            named = load(PosterSettings, self.config, prefix="MILLRACE_POST_").ledger
            flow = flow.model_copy(update={"ledger": named})
        return ledger_url(self.ledger, flow)


@grouped
def retry(
    where: Where,
    acting: options.Acting,
    names: Names = None,
    *,
    orders: options.Orders = None,
    plants: options.Plants = None,
    codes: options.Codes = None,
    not_booked: Annotated[
        bool,
        typer.Option("--not-booked", help="You have looked: the ERP has it not. A parked posting is sent unasked."),
    ] = False,
    rate: options.Rate = None,
    most: options.Most = None,
    as_json: Json = False,
) -> None:
    """Let the poster work on documents again: rejected ones are planned anew, parked ones are asked for first.

    With --order, --plant or --code, all rejected and parked documents of that kind, resumable.

    Example: `millrace post retry --order 4711 --code M7/022 --reason "quantity was corrected"`
    """
    by, limits = acting.by, Limits(rate, most)
    if names:
        again = {"not_booked": not_booked, "dry_run": acting.dry_run}
        _each(names, where.url, rate, as_json, lambda desk, name: desk.retry(name, by, **again))
    if not (orders or plants or codes):
        raise Misconfigured("name postings, or --order, --plant or --code")
    if not_booked:
        raise Misconfigured("--not-booked: only of postings that are named can somebody have looked")
    which = options.Selection(kinds=["POSTING"], orders=orders, plants=plants, codes=codes).wanted(
        states=["open", "parked"]
    )
    report = asked(where.url, lambda found: Desk(found).replay(which, by, limits=limits, dry_run=acting.dry_run))
    if as_json:
        options.as_json(asdict(report))
    else:
        show_report(report, Console())
    raise typer.Exit(0 if report.finished and not report.skipped else 1)


@grouped
def park(
    where: Where, acting: options.Acting, names: Names = None, rate: options.Rate = None, as_json: Json = False
) -> None:
    """Take documents out of the queue until a person decides.

    Example: `millrace post park "0100|4711|0010|1" --reason "the auditor asks"`
    """
    if not names:
        raise Misconfigured("name the postings or documents to park")
    _each(names, where.url, rate, as_json, lambda desk, name: desk.park(name, acting.by, dry_run=acting.dry_run))


@grouped
def confirm_booked(
    name: Annotated[
        str, typer.Argument(metavar="POSTING", help="External reference; or a document or letter: its newest posting.")
    ],
    where: Where,
    acting: options.Acting,
    *,
    number: Annotated[str, typer.Option("--number", help="Number of the ERP's document, as you found it there.")],
    as_json: Json = False,
) -> None:
    """Say that the ERP has a posting: it counts as booked, and only what is missing is posted.

    Example: `millrace post confirm-booked "0100|4712|0010|1" --number 8000123/1 --reason "found in CO14"`
    """
    by, dry_run = acting.by, acting.dry_run
    _each([name], where.url, None, as_json, lambda desk, each: desk.confirm_booked(each, number, by, dry_run=dry_run))


@grouped
def approve(where: Where, acting: options.Acting, names: Names = None, as_json: Json = False) -> None:
    """Let documents that await approval be posted; who approved stands in them.

    Example: `millrace post approve "0100|4711|0010|1" --reason "checked with purchasing"`
    """
    if not names:
        raise Misconfigured("name the documents to approve; `millrace status` shows which wait")
    _each(names, where.url, None, as_json, lambda desk, name: desk.approve(name, acting.by, dry_run=acting.dry_run))


@grouped
def reject(where: Where, acting: options.Acting, names: Names = None, as_json: Json = False) -> None:
    """Keep documents that await approval from being posted; `post retry` asks for approval once more.

    Example: `millrace post reject "0100|4711|0010|1" --reason "ordered by telephone"`
    """
    if not names:
        raise Misconfigured("name the documents to reject; `millrace status` shows which wait")
    _each(names, where.url, None, as_json, lambda desk, name: desk.refuse(name, acting.by, dry_run=acting.dry_run))


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
