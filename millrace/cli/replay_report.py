"""A replay on the terminal: progress on stderr, what would change as tables, and the same as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from dataflows.replay_changes import Change, Compared, is_completion
from millrace.ledger.replaying import Fate
from millrace.ledger.requisition import KIND as REQUEST
from sources.history import HistoryAccount

#: Changes that are shown on the terminal; all are in `changes.parquet`.
SHOWN = 50
_OF_TOTAL = ("order", "op", "work centre", "window from")
_OF_REQUEST = ("plant", "material", "location", "crossed at")


@contextmanager
def progress(what: str, total: int, console: Console) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal while something runs; yields what is to be told the steps."""
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda steps: bar.update(task, advance=steps)


def speed(account: HistoryAccount) -> dict[str, Any]:
    """Events, seconds, events per second, and how many times as fast as the events came in."""
    now = account.rows - account.before
    seconds = max(account.seconds, 1e-3)
    span = max(0, account.last - account.first) / 1e6
    share = now / account.rows if account.rows else 0.0
    return {
        "events": account.rows,
        "seconds": round(account.seconds, 3),
        "events_per_second": round(now / seconds),
        "times_as_fast": round(span * share / seconds, 1),
    }


def plain(
    compared: Compared, account: HistoryAccount | None, fates: Mapping[Fate, int] | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """The outcome as plain values."""
    return {
        **more,
        "same": compared.same,
        "open": compared.open,
        "changes": [
            {"change": kind, "why": why, "held": held, "documents": count}
            for (kind, why, held), count in _counts(compared).items()
        ],
        "speed": speed(account) if account is not None else None,
        "put": {fate.value: n for fate, n in sorted(fates.items())} if fates is not None else None,
    }


def _counts(compared: Compared) -> dict[tuple[str, str, str | None], int]:
    keys = ((c.kind, c.why.value, c.held.value if c.held else None) for c in compared.changes)
    return dict(sorted(Counter(keys).items(), key=str))


def show(outcome: Mapping[str, Any], compared: Compared, console: Console) -> None:
    """Tables of what differs, and a sentence each on what does not and how fast it went."""
    if compared.changes:
        console.print(_summary(outcome["changes"]))
        console.print(_changes(compared.changes))
    if len(compared.changes) > SHOWN:
        _say(console, f"the first {SHOWN} of {len(compared.changes)} changes; all are in {outcome['table']}")
    if outcome.get("no_ledger"):
        _say(console, outcome["no_ledger"])
    _say(console, f"{compared.same} documents are the same, {len(compared.changes)} differ, {compared.open} are open")
    if outcome["speed"] is not None:
        rate = outcome["speed"]
        _say(
            console,
            f"{rate['events']} events, {rate['events_per_second']} events/s, {rate['times_as_fast']} times as fast as "
            "they came in",
        )
    for name in ("ledger", "history", "generation"):
        if outcome.get(name):
            _say(console, f"{name}: {outcome[name]}")
    if outcome.get("dead_letters"):
        _say(
            console,
            f"dead letters: {outcome['dead_letters']}, in work/files/dead_letters.parquet beside {outcome['table']}",
        )
    if outcome["put"] is not None:
        _say(console, "put: " + (", ".join(f"{name} {n}" for name, n in outcome["put"].items()) or "nothing"))


def _say(console: Console, sentence: str) -> None:
    console.print(escape(sentence), highlight=False, soft_wrap=True)


def _summary(changes: list[dict[str, Any]]) -> Table:
    table = Table("change", "why", "held back", box=None, pad_edge=False)
    table.add_column("documents", justify="right")
    for row in changes:
        table.add_row(row["change"], row["why"], row["held"] or "", str(row["documents"]))
    return table


def _changes(changes: list[Change]) -> Table:
    requests = all(change.document.kind == REQUEST for change in changes)
    where = (
        ("plant", "material", "location", "crossed at") if requests else ("order", "op", "work centre", "window from")
    )
    table = Table(*where, "change", "why", "by how much", box=None, pad_edge=False)
    for change in changes[:SHOWN]:
        why = f"{change.why.value} ({change.held.value})" if change.held else change.why.value
        told = [f"{d['measure']} {_short(d['ledger'])} → {_short(d['replay'])}" for d in change.differences()]
        cells = (*(_request(change) if requests else _total(change)), change.kind, why)
        table.add_row(*map(escape, cells), escape("; ".join([*told, *([change.detail] if change.detail else [])])))
    return table


def _total(change: Change) -> tuple[str, ...]:
    document = change.document
    start = "completion" if is_completion(document) else document.sort_key.partition("|")[0][:16]
    return document.order_id, document.operation, str(document.attributes.get("work_center") or ""), start


def _request(change: Change) -> tuple[str, ...]:
    told = (change.before or change.document).attributes
    return change.document.plant, told["material"], told["storage_location"], told["crossed_at"][:16]


def _short(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


__all__ = ["plain", "progress", "show", "speed"]
