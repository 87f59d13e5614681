"""How things stand, as tables on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(found: dict[str, Any], console: Console) -> None:
    """Print the tables that have rows, and why a person should look."""
    tables = [
        _table("Documents", ("state", "count"), found["documents"].items()),
        _table(
            "Postings",
            ("system", "status", "count", "oldest"),
            [(r["system"], r["status"], r["count"], span(r["oldest_s"])) for r in found["postings"]],
        ),
        _table(
            "Waiting",
            ("what", "waits for", "system", "count", "since"),
            [(r["what"], r["waits_for"], r["system"], r["count"], span(r["for_s"])) for r in found["waiting"]],
        ),
        _table(
            "Later than their tier allows",
            ("system", "tier", "count", "since"),
            [(r["system"], r["tier"], r["count"], span(r["for_s"])) for r in found["late"]],
        ),
        _table("Dead letters, unresolved", ("reason", "count"), sorted(found["dead_letters"].items())),
        _table(
            f"Alerts of the last day, the newest {_ALERTS}",
            ("severity", "kind", "message", "owner", "since"),
            [(r["severity"], r["kind"], r["message"], r["owner"], span(r["for_s"])) for r in found["alerts"][:_ALERTS]],
        ),
        _table("Flows: records by lane", ("flow", "lane", *_COUNTS), _lanes(found["flows"])),
    ]
    for table in tables:
        if table.row_count:
            console.print(table)
    oldest = found["oldest_unsettled_s"]
    console.print(
        "nothing is left to book" if oldest is None else f"oldest document not settled: {span(oldest)}",
        highlight=False,
    )
    for why in found["needs_a_look"]:
        console.print(f"[red]needs a look[/]: {escape(why)}", highlight=False)


_ALERTS = 10
_COUNTS = ("contract", "read", "accepted", "duplicates", "dead")


def _lanes(flows: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (flow, lane, contract, *_of(counts, contract))
        for flow, found in flows.items()
        for lane, counts in [*found["lanes"].items(), ("all", found["total"])]
        for contract in sorted({key.split(":")[1] for key in counts if ":" in key})
    ]


def _of(counts: dict[str, int], contract: str) -> list[int]:
    plain = [counts.get(f"{name}:{contract}", 0) for name in ("read", "accepted", "duplicates")]
    return [*plain, sum(n for key, n in counts.items() if key.startswith(f"dead:{contract}:"))]


def _table(title: str, columns: tuple[str, ...], rows: Any) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        numeric = name in ("count", "read", "accepted", "duplicates", "dead")
        table.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(escape(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    return table


def span(seconds: float | None) -> str:
    """A length of time for a person; a time still to come is negative."""
    if seconds is None:
        return ""
    if seconds < 0:
        return f"in {span(-seconds)}"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
