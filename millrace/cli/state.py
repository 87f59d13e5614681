"""`millrace state`: what a flow's recovery store holds, a new beginning, and other offsets; a copy is always kept."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dataflows.flow_settings import FlowSettings
from dataflows.registry import settings_of
from dataflows.state_change import empty, layout_of
from dataflows.state_lock import alone
from dataflows.state_offsets import Move, Place, known_offsets, move, plan
from dataflows.state_report import inspect
from millrace.cli.options import Json
from millrace.cli.state_words import as_json, print_json, say_moves, say_report, what_a_reset_means, what_moves_mean
from millrace.errors import Misconfigured
from sources import kafka_offsets

app = typer.Typer(no_args_is_help=True)
Config = Annotated[Path | None, typer.Option("--config", help="Settings of the flow (YAML); they name the store.")]
Recovery = Annotated[Path | None, typer.Option("--recovery", help="Folder of the store, in place of --config.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the store.")]


@app.callback()
def state() -> None:
    """A flow's recovery store: look at it, reset it, move its offsets.

    Exit codes of all commands: 0 done; 1 you said no, or the broker does not answer; 2 wrong use, or the flow runs.
    """


@app.command("inspect")
def inspect_command(config: Config = None, recovery: Recovery = None, json: Json = False) -> None:
    """Version, layout, offsets and sizes of a store; also while the flow runs. Changes nothing.

    Example: `millrace state inspect --config plant.yaml`
    """
    found = inspect(_store(config, recovery))
    if json:
        print_json(as_json(found))
    else:
        say_report(found)


@app.command()
def reset(
    reason: Reason,
    config: Config = None,
    recovery: Recovery = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Let the flow begin from an empty state at its next start. Refused while it runs.

    History, ledger and topics stay as they are, and a copy of the state stays in the store's folder `backups`.

    Example: `millrace state reset --config plant.yaml --reason "other shards"`
    """
    store = _store(config, recovery)
    if not json:
        typer.echo(what_a_reset_means(store, layout_of(store)))
    if dry_run:
        _done(json, "reset", dry_run, None)
        return
    with alone(store):
        _confirm("Reset this state?", yes)
        _done(json, "reset", dry_run, empty(store, reason))


@app.command("move-offsets")
def move_offsets(
    reason: Reason,
    config: Config = None,
    recovery: Recovery = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="TOPIC/PARTITION=OFFSET; may be given again.")] = None,
    to_time: Annotated[
        datetime | None, typer.Option("--to-time", help="First records logged at this time (UTC) or later.")
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="With --to-time: only this; may be given again.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Let the flow read on from other offsets at its next start. Refused while it runs.

    With --config offsets are held against the log's bounds; --to-time needs it. A copy of the state stays in the
    store's folder `backups`.

    Example: `millrace state move-offsets --config plant.yaml --to machine-cycle/3=1200 --reason "a broken batch"`
    """
    if bool(to) == (to_time is not None):
        raise Misconfigured("--to, --to-time: give one of the two")
    settings = None if config is None else settings_of(config)
    store = _store(config, recovery)
    with nullcontext() if dry_run else alone(store):
        moves = _planned(store, settings, to or [], to_time, topic or [])
        if not json:
            say_moves(moves)
            typer.echo(what_moves_mean(moves, settings))
        if moves and not dry_run:
            _confirm("Move these offsets?", yes)
        copy = move(store, moves, reason) if moves and not dry_run else None
    _done(json, "move-offsets", dry_run, copy, moves)


def _planned(
    store: Path, settings: FlowSettings | None, to: list[str], when: datetime | None, topics: list[str]
) -> list[Move]:
    known = known_offsets(store)
    client = settings.kafka.client() if settings is not None and settings.kafka is not None else None
    if when is None:
        wanted = dict(_parsed(text) for text in to)
    elif client is None:
        raise Misconfigured("--to-time: only the broker knows where a time begins; give --config with kafka")
    else:
        if unknown := sorted(set(topics) - {name for name, _ in known}):
            raise Misconfigured(f"--topic: the state has no offsets of {', '.join(unknown)}")
        places = [place for place in known if not topics or place[0] in topics]
        wanted = kafka_offsets.at_time(client, places, when.replace(tzinfo=when.tzinfo or UTC))
    checked = [place for place in wanted if place in known]
    return plan(store, wanted, kafka_offsets.bounds(client, checked) if client is not None else {})


def _parsed(text: str) -> tuple[Place, int]:
    place, _, offset = text.rpartition("=")
    topic, _, partition = place.rpartition("/")
    if not topic or not partition.isdecimal() or not offset.isdecimal():
        raise Misconfigured(f"--to {text!r}: expected TOPIC/PARTITION=OFFSET, as machine-cycle/3=1200")
    return (topic, int(partition)), int(offset)


def _store(config: Path | None, recovery: Path | None) -> Path:
    if recovery is not None:
        return recovery
    if config is None:
        raise Misconfigured("--config, --recovery: name the store")
    found = settings_of(config).recovery
    if found is None:
        raise Misconfigured(f"{config}: recovery: the flow keeps no state")
    return found


def _confirm(question: str, yes: bool) -> None:
    if not yes and not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _done(json: bool, what: str, dry_run: bool, copy: Path | None, moves: list[Move] | None = None) -> None:
    if json:
        told = {"what": what, "dry_run": dry_run, "copy": None if copy is None else str(copy)}
        print_json({**told, **({} if moves is None else {"moves": [asdict(each) for each in moves]})})
    elif copy is not None:
        typer.echo(f"Done. The former state is in {copy}.")
    else:
        typer.echo("Nothing was changed.")


__all__ = ["app"]
