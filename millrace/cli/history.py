"""`millrace history`: closed days compacted for analysts, and the history checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from millrace.cli.history_erase import erase_command, retain_command
from millrace.cli.history_publish import publish_command
from millrace.cli.history_settled import read_states
from millrace.cli.history_upload import upload_command
from millrace.cli.options import CountOnly, Json, Recovery, Retired, Root, Topics
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from schemas.contracts import contracts
from sinks.history.compact import Compacted, compact, only_one
from sinks.history.dictionary import write_dictionary
from sinks.history.manifest import write_manifest
from sinks.history.places import located
from sinks.history.verify import Verified, against_flow, verify
from sinks.history.zones import topics

app = typer.Typer(no_args_is_help=True)


@app.callback()
def history() -> None:
    """The history of accepted events, for analysts.

    Exit codes of all commands: 0 done; 1 something waits or is damaged, or a store is down; 2 wrong use or no history.
    """


@app.command("compact")
def compact_command(
    root: Root,
    recovery: Recovery = None,
    retired: Retired = None,
    topic: Topics = None,
    before: Annotated[
        datetime | None,
        typer.Option(
            "--before", formats=["%Y-%m-%d"], metavar="DATE", help="Days before this UTC date; today when left out."
        ),
    ] = None,
    dry_run: CountOnly = False,
    as_json: Json = False,
) -> None:
    """Make one sorted file of each closed plant-day. One-shot: run it daily. Flows and readers may go on meanwhile.

    Example: `millrace history compact --root history --recovery state`
    """
    states, place = read_states(recovery or [], retired or []), located(root)
    last = (before or datetime.now(UTC)).date()
    done = []
    with only_one(place):
        for name in topic or topics(place):
            done.append(compact(place, name, last, states.settled, dry_run=dry_run))
            if not dry_run:
                write_manifest(place, name, states.complete_up_to(name))
        if not dry_run:
            write_dictionary(place)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in done], indent=2))
    else:
        _show(done)


@app.command("verify")
def verify_command(
    root: Root,
    topic: Topics = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger", help="URL of the ledger: rows are held against what the flows accepted. Stop them first."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read every file to its last page; damaged, missing and doubled ones are named. Exit code 1 when there are any.

    Example: `millrace history verify --root history`
    """
    place = located(root)
    with only_one(place):
        found = [verify(place, name) for name in topic or topics(place)]
    if ledger is not None:
        _against(found, ledger)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    else:
        _tell(found)
    if any(each.problems for each in found):
        raise typer.Exit(1)


app.command("retain")(retain_command)
app.command("erase")(erase_command)
app.command("publish")(publish_command)
app.command("upload")(upload_command)


def _against(found: list[Verified], url: str) -> None:
    with Ledger(url, who="cli") as opened:
        totals = opened.flow_totals()
    names = {each.topic: each.name for each in contracts().values()}
    for each in found:
        if each.topic not in names:
            raise Misconfigured(f"--ledger: no contract has the topic {each.topic!r}, so nothing counts it")
        against_flow(each, totals.get(f"accepted:{names[each.topic]}", 0))


def _tell(found: list[Verified]) -> None:
    for each in found:
        typer.echo(f"{each.topic}: {each.files} files, {each.rows} rows, {len(each.problems)} problems")
        for problem in each.problems:
            typer.echo(f"  {problem}")


def _show(done: list[Compacted]) -> None:
    table = Table("topic", "days", "late", "rows", "files", "size", "removed", "not final")
    for each in done:
        files = f"{each.files_before} → {each.files_after}"
        size = f"{_mb(each.bytes_before)} → {_mb(each.bytes_after)} MB"
        numbers: list[Any] = [each.days, each.late_days, each.rows, files, size]
        table.add_row(each.topic, *map(str, numbers), str(each.removed), str(sum(each.not_final.values())))
    Console().print(table)
    for writer, count in sorted((w, n) for each in done for w, n in each.not_final.items()):
        typer.echo(f"{count} files of {writer} wait: give its flow's --recovery, or its generation as --retired")


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"


__all__ = ["app"]
