"""`millrace history erase` and `retain`: persons and old days taken out of the history, with proof."""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from millrace.cli.history_settled import States, read_states
from millrace.cli.options import CountOnly, Json, Recovery, Retired, Root
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.erasure import erase_letters, letters_naming
from millrace.ledger.letter_states import Person
from millrace.settings import load
from sinks.history import personal
from sinks.history.compact import only_one
from sinks.history.erase import Erased, Erasure, named, replace
from sinks.history.erase_spool import erase_spool
from sinks.history.erasure_report import FOLDER, Report
from sinks.history.manifest import write_manifest
from sinks.history.pieces import write_like
from sinks.history.places import ObjectPath, Place, located
from sinks.history.retention import Retained, RetentionSettings, first_kept, retain
from sinks.history.store import look
from sinks.history.zones import topics

_COUNTS = ("files", "rows", "days", "personal_rows")
Why = Annotated[str, typer.Option("--reason", help="Why, for the report; without the person's name.")]


def erase_command(
    root: Root,
    operator: Annotated[str, typer.Option(help="Person, as events name them.")],
    reason: Why,
    recovery: Recovery = None,
    retired: Retired = None,
    letters: Annotated[
        list[Path] | None, typer.Option(help="File of dead letters of a run on files; may be given again.")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(help="URL of the ledger: its dead letters too, and an audit row.")
    ] = None,
    spool: Annotated[
        list[Path] | None,
        typer.Option(
            help="`history_spool` of a stopped flow: what waits for the object store too; may be given again."
        ),
    ] = None,
    dry_run: CountOnly = False,
    as_json: Json = False,
) -> None:
    """Take a person out of the history; rows and quantities stay. Exit code 1: something waits, run it again.

    Example: `millrace history erase --root history --operator ann --reason "request 17"`
    """
    _named(operator, reason)
    history, states = located(root), read_states(recovery or [], retired or [])
    with only_one(history):
        report = None if dry_run else Report.begin(history, _said("erase", reason))
        done = [part for each in spool or [] for part in erase_spool(history, each, operator, states.kept, report)]
        done += _erase(history, Erasure(history, operator, states.settled, report), states)
        done += [_erase_letters_file(history, path, operator, report) for path in letters or []]
        found = _in_ledger(ledger, operator, reason, dry_run=dry_run) if ledger else {"erased": 0, "open": 0}
        if report is not None:
            waiting = _waiting(done) + found["open"]
            report.end(ledger_letters=found["erased"], spools=[str(each) for each in spool or []], waiting=waiting)
    if isinstance(history, ObjectPath) and not spool:
        typer.echo("no --spool was given: what still waits for the object store was not looked at", err=True)
    _show([asdict(each) for each in done], {"ledger_letters": found} if ledger else {}, report, as_json)
    if _waiting(done) or found["open"]:
        raise typer.Exit(1)


def retain_command(
    root: Root,
    config: Annotated[Path, typer.Option(help="YAML with `default` and `topics`: `days` and `personal_days` of each.")],
    recovery: Recovery = None,
    retired: Retired = None,
    today: Annotated[
        datetime | None,
        typer.Option("--today", formats=["%Y-%m-%d"], metavar="DATE", help="Count days back from here."),
    ] = None,
    dry_run: CountOnly = False,
    as_json: Json = False,
) -> None:
    """Remove days that are older than their topic's rule, and persons from those that are older than it allows.

    Example: `millrace history retain --root history --config retention.yaml --dry-run`
    """
    rules, states, history = load(RetentionSettings, config), read_states(recovery or [], retired or []), located(root)
    day = (today or datetime.now(UTC)).date()
    with only_one(history):
        unknown = set(rules.topics) - set(topics(history))
        report = None if dry_run else Report.begin(history, _said("retain", str(config.name)))
        removed = _retain(history, rules, states, day, report)
        erased = _erase_old(history, rules, states, day, report)
        if report is not None:
            report.end(waiting=_waiting([*removed, *erased]))
    for name in sorted(unknown):
        typer.echo(f"{config}: topics: the history has no {name!r}", err=True)
    found = [{**asdict(one), "personal_rows": two.rows} for one, two in zip(removed, erased, strict=True)]
    _show(found, {}, report, as_json)


def _retain(root: Place, rules: RetentionSettings, states: States, day: date, report: Report | None) -> list[Retained]:
    done = []
    for topic in topics(root):
        days = rules.of(topic).days
        before = first_kept(days, day) if days else date.min
        done.append(retain(root, topic, before, states.settled, report))
        if report is not None and done[-1].files:
            write_manifest(root, topic, states.complete_up_to(topic))
    return done


def _erase_old(root: Place, rules: RetentionSettings, states: States, day: date, report: Report | None) -> list[Erased]:
    done = []
    for topic in topics(root):
        days = rules.of(topic).personal_days
        before = first_kept(days, day) if days else date.min
        found = Erasure(root, None, states.settled, report, before).topic(topic)
        if report is not None and found.files:
            write_manifest(root, topic, states.complete_up_to(topic))
        done.append(found)
    return done


def _named(operator: str, reason: str) -> None:
    if not operator or operator == personal.ERASED:
        raise Misconfigured("--operator: name the person as events do")
    if not reason:
        raise Misconfigured("--reason: say why, as the number of the request")
    if operator in reason:
        raise Misconfigured("--reason: stays in the report, so leave the person's name out")


def _said(what: str, reason: str) -> dict[str, Any]:
    return {"what": what, "who": getpass.getuser(), "reason": reason}


def _erase(root: Place, erasure: Erasure, states: States) -> list[Erased]:
    done = []
    for topic in topics(root):
        done.append(erasure.topic(topic))
        if erasure.report is not None and done[-1].files:
            write_manifest(root, topic, states.complete_up_to(topic))
    return done


def _erase_letters_file(root: Place, path: Path, operator: str, report: Report | None) -> Erased:
    """Dead letters of a run on files lie beside its history, as a file of their own."""
    found = look(path.resolve())
    if found is None:
        raise Misconfigured(f"--letters: there is no file {str(path)!r}")
    count = named(path, operator)
    if count and report is not None:
        replace(root, found, operator, count, write_like, report)
    return Erased(str(path), int(bool(count)), count)


def _in_ledger(url: str, operator: str, reason: str, *, dry_run: bool) -> dict[str, int]:
    """Dead letters that are erased, or would be, and those that a replay still needs."""
    with Ledger(url, who="cli") as opened:
        found = opened.ask(lambda connection: letters_naming(connection, partial(personal.holds, person=operator)))
        erased = sum(each.is_done_with for each in found)
        waiting = len(found) - erased
        if not dry_run:
            with opened.changing() as connection:
                erased = erase_letters(connection, found, operator, Person(getpass.getuser(), reason), opened.now())
    return {"erased": erased, "open": waiting}


def _waiting(done: Sequence[Erased | Retained]) -> int:
    running = [each.running for each in done if isinstance(each, Erased)]
    return sum(sum(counts.values()) for counts in [*running, *(each.not_final for each in done)])


def _show(found: list[dict[str, Any]], more: dict[str, Any], report: Report | None, as_json: bool) -> None:
    where = None if report is None else f"{report.root}/{FOLDER}/{report.run}.json"
    if as_json:
        typer.echo(json.dumps({"topics": found, **more, "report": where}, indent=2))
        return
    told = [
        each for each in found if each["not_final"] or each.get("running") or any(each.get(name) for name in _COUNTS)
    ]
    if not told:
        typer.echo("nothing found")
    for each in told:
        counts = ", ".join(
            f"{value} {name.replace('_', ' ')}" for name, value in each.items() if isinstance(value, int)
        )
        typer.echo(f"{each['topic']}: {counts}")
        for writer, count in sorted(each["not_final"].items()):
            typer.echo(f"  {count} files of {writer} wait: give its flow's --recovery, or its generation as --retired")
        for writer, count in sorted(each.get("running", {}).items()):
            typer.echo(
                f"  {count} files of {writer} wait: its flow runs; stop it or let the spool empty, and run again"
            )
    for name, counts in more.items():
        typer.echo(
            f"{name.replace('_', ' ')}: {counts['erased']} erased, {counts['open']} open: replay or discard them"
        )
    if where is not None:
        typer.echo(f"report: {where}")


__all__ = ["erase_command", "retain_command"]
