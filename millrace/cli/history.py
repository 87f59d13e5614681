"""`millrace history`: closed days compacted for analysts, and the history checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from millrace.cli.history_erase import erase_command, retain_command
from millrace.cli.history_publish import publish_command
from millrace.cli.history_settled import read_states
from millrace.cli.history_upload import upload_command
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from schemas.contracts import contracts
from sinks.history.compact import Compacted, compact, only_one
from sinks.history.dictionary import write_dictionary
from sinks.history.manifest import write_manifest
from sinks.history.places import located
from sinks.history.verify import Verified, against_flow, verify
from sinks.history.zones import topics

app = typer.Typer(help="The history of accepted events, for analysts.", no_args_is_help=True)
app.command("erase")(erase_command)
app.command("retain")(retain_command)
app.command("publish")(publish_command)
app.command("upload")(upload_command)
Root = Annotated[str, typer.Option("--root", help="History (`history` of the flow): a folder, or s3://...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Topic; again for more. All when left out.")]


@app.command("compact")
def compact_command(
    root: Root,
    recovery: Annotated[
        list[Path] | None, typer.Option(help="Recovery store of a flow that writes here; again for more.")
    ] = None,
    retired: Annotated[
        list[str] | None,
        typer.Option(help="Generation (second part of file names) whose recovery store is gone for good."),
    ] = None,
    topic: Topics = None,
    before: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Days before this UTC date; today when left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make one sorted file of each closed plant-day. One-shot: run it daily. Flows and readers may go on meanwhile."""
    states, history = read_states(recovery or [], retired or []), located(root)
    last = (before or datetime.now(UTC)).date()
    done = []
    with only_one(history):
        for name in topic or topics(history):
            done.append(compact(history, name, last, states.settled, dry_run=dry_run))
            if not dry_run:
                write_manifest(history, name, states.complete_up_to(name))
        if not dry_run:
            write_dictionary(history)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in done], indent=2))
    else:
        _show(done)


@app.command("verify")
def verify_command(
    root: Root,
    topic: Topics = None,
    ledger: Annotated[
        str | None, typer.Option(help="Ledger of the flows: rows are held against what they accepted. Stop them first.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every file to its last page; damaged, missing and doubled ones are named. Exit code 1 when there are any."""
    history = located(root)
    with only_one(history):
        found = [verify(history, name) for name in topic or topics(history)]
    if ledger is not None:
        _against(found, ledger)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    else:
        _tell(found)
    if any(each.problems for each in found):
        raise typer.Exit(1)


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
