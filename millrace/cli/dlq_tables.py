"""Dead letters on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millrace.ledger.bulk import BulkReport
from millrace.ledger.desk import Shown
from millrace.ledger.letters import Letter, LetterCount, LetterFilter

#: States of letters that wait for somebody.
WAITING = ("open", "parked")
#: Letters left out that are listed one by one.
LISTED = 20
_HEX_BYTES = 64


def show_letters(letters: Sequence[Letter], console: Console) -> None:
    """One line a letter."""
    names = ("letter", "given up", "state", "class", "reason", "what", "owner", "replays")
    rows = [
        (
            each.event_id,
            instant(each.event_time),
            each.state,
            each.error_class,
            each.reason,
            each.detail,
            each.owner,
            each.replays,
        )
        for each in letters
    ]
    console.print(_table("Dead letters", names, rows))


def show_counts(counts: Sequence[LetterCount], console: Console) -> None:
    """One line a reason and state."""
    names = ("kind", "class", "reason", "owner", "state", "letters", "events", "oldest")
    rows = [(c.kind, c.error_class, c.reason, c.owner, c.state, c.letters, c.events, instant(c.oldest)) for c in counts]
    console.print(_table("Dead letters by reason", names, rows))


def show_none(which: LetterFilter, console: Console) -> None:
    """A sentence in the place of an empty table."""
    chosen = which.plain().keys() - {"states"} or which.states != WAITING
    console.print("no dead letters of this kind" if chosen else "no dead letters wait", highlight=False)


def show_letter(shown: Shown, console: Console) -> None:
    """A letter, its record, its document and postings, and what was done."""
    letter = shown.report.letter
    console.print(_table(f"Letter {letter.event_id}", ("", ""), _facts(letter)))
    if shown.record is not None:
        console.print_json(data=shown.record, default=str)
    elif letter.payload:
        more = f" ... ({len(letter.payload)} bytes)" if len(letter.payload) > _HEX_BYTES else ""
        console.print(f"payload, not readable: {letter.payload[:_HEX_BYTES].hex(' ')}{more}", highlight=False)
    if shown.report.document is not None:
        document = shown.report.document
        console.print(
            f"document {escape(document['key'])}: {document['state']}, {document['quantities']}", highlight=False
        )
    names = ("step", "action", "status", "ERP document", "external reference", "detail")
    steps = [
        (p["step"], p["action"], p["status"], p["erp_document"] or "", p["external_reference"], p["detail"] or "")
        for p in shown.report.postings
    ]
    changes = [
        (instant(c["at"]), c["who"], c["from_status"] or "", c["to_status"], c["why"] or "") for c in shown.report.audit
    ]
    for table in (_table("Postings", names, steps), _table("Audit", ("when", "who", "from", "to", "why"), changes)):
        if table.row_count:
            console.print(table)


def _facts(letter: Letter) -> list[tuple[str, Any]]:
    place = f"{letter.topic}/{letter.partition}/{letter.offset}" if letter.kind != "POSTING" else letter.topic
    facts: Mapping[str, Any] = {
        "kind": letter.kind,
        "state": f"{letter.state}, since {instant(letter.state_at)}",
        "class, reason": f"{letter.error_class}, {letter.reason}",
        "what": letter.detail,
        "origin" if not letter.replays else "last place": place,
        "given up": f"{instant(letter.event_time)} by {letter.source}",
        "owner": letter.owner,
        "document": letter.document_key,
        "events": letter.events,
        "replays": letter.replays,
    }
    return [(name, value) for name, value in facts.items() if value not in (None, "")]


def show_report(report: BulkReport, console: Console) -> None:
    """What a run did, and what it left out and why."""
    would = "would be " if report.dry_run else ""
    resumed = f", went on after {report.resumed} of campaign {report.campaign}" if report.resumed is not None else ""
    verb = {"replay": "sent again", "discard": "discarded"}.get(report.action, report.action)
    letters = "1 letter" if len(report.done) == 1 else f"{len(report.done)} letters"
    console.print(f"{letters} {would}{verb}{resumed}", highlight=False)
    for name, why in report.skipped[:LISTED]:
        console.print(f"left out {escape(name)}: {escape(why)}", highlight=False, soft_wrap=True)
    if len(report.skipped) > LISTED:
        console.print(f"... and {len(report.skipped) - LISTED} more left out")
    if not report.finished:
        console.print("not finished: call again to go on", highlight=False)


def instant(micros: int) -> str:
    """Microseconds as ISO 8601, to the second."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=any(columns))
    for name in columns:
        right = name in ("letters", "events", "replays", "step")
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=name == "letter")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table
