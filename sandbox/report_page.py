"""Parts of the report's page: verdict, key figures, tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape

from sandbox.reconcile import MEASURES, OperationRow, Reconciliation
from sandbox.report_svg import Sample, best_rate
from sandbox.report_tables import PLACES, count, counts_of, difference, figure, status, total, verdict

Cell = str | tuple[str, str]


def headline(result: Reconciliation, facts: Mapping[str, str]) -> str:
    """The verdict, before anything else."""
    kind = "verdict" if result.ok else "verdict bad"
    title = "Nothing lost, nothing doubled" if result.ok else "The books differ from the plant"
    detail = " · ".join(f"{escape(name)} {escape(value)}" for name, value in facts.items())
    return (
        f'<header class="{kind}"><p class="eyebrow">{"passed" if result.ok else "failed"}</p>'
        f"<h1>{title}</h1><p>{escape(verdict(result).plain)}</p>" + (f"<p>{detail}</p>" if detail else "") + "</header>"
    )


def tiles(samples: Sequence[Sample], result: Reconciliation) -> str:
    """The figures that one asks for first."""
    last: Sample = samples[-1] if samples else {}
    off = difference(result.operations)
    shown = {
        "records read": _whole(last.get("read")),
        "records/s at best": _whole(best_rate(samples, "read")),
        "documents": _whole(last.get("documents")),
        "postings booked": _whole(last.get("booked")),
        "duplicates dropped": figure(_found(result, "duplicates")),
        "events in dead letters": figure(sum(result.dead_letters.values())),
        "difference plant to ERP": figure(off),
        "seconds": _whole(last.get("t")),
    }
    cells = (f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for name, value in shown.items())
    return f'<div class="tiles">{"".join(cells)}</div>'


def orders(result: Reconciliation) -> str:
    """One row per order, and every measure of every operation behind it."""
    head = [
        "Order",
        "Material",
        "Unit",
        "+Operations",
        "+Plant truth",
        "+Ledger",
        "+Booked in ERP",
        "+Difference",
    ]
    rows = [_order(order, rows) for order, rows in result.by_order().items()]
    for order, events in result.unknown_orders.items():
        kept = f"unknown to the ERP: {events:,} events"
        rows.append([order, *[("-", "n dim" if index > 1 else "dim") for index in range(8)], (kept, "dim")])
    every = table(
        ["Order", "Operation", *(f"+{_words(name)}" for name in MEASURES), "Status"],
        [_operation(row) for row in result.operations],
    )
    return (
        f'<div class="scroll">{table([*head, "+Postings", "Status"], rows)}</div>'
        "<details><summary>Every operation: yield, scrap, rework and times (seconds) as booked</summary>"
        f'<div class="scroll">{every}</div></details>'
    )


def checks(result: Reconciliation) -> str:
    """One row per topic or order, one column per count."""
    names = counts_of(result)
    rows: list[list[Cell]] = []
    for subject, found in result.by_subject().items():
        cells = [found.get(name) for name in names]
        rows.append([subject, *((count(c), "n no" if c and not c.ok else "n") for c in cells)])
    return f'<div class="scroll">{table(["", *(f"+{name.capitalize()}" for name in names)], rows)}</div>'


def unexpected(result: Reconciliation) -> str:
    """A sentence per reason whose number is not the one expected; nothing where all are."""
    wrong = (f"{check.what} {count(check)}" for check in result.reasons if not check.ok)
    return "".join(f'<p class="no">{escape(text)}</p>' for text in wrong)


def section(title: str, text: str, content: str) -> str:
    """A titled card."""
    return f"<section><h2>{escape(title)}</h2><p>{escape(text)}</p>{content}</section>"


def _order(order: str, rows: Sequence[OperationRow]) -> list[Cell]:
    off = difference(rows)
    return [
        order,
        rows[0].material,
        rows[0].unit,
        (str(len(rows)), "n"),
        *((figure(total(rows, place, "yield")), "n") for place in PLACES),
        (figure(off), "n no" if off else "n dim"),
        (figure(sum(row.postings for row in rows)), "n"),
        mark(all(row.ok for row in rows), status(rows)),
    ]


def _operation(row: OperationRow) -> list[Cell]:
    measures = [(_place(row, name), "n" if row.erp[name] == row.truth[name] else "n no") for name in MEASURES]
    return [row.order_id, row.operation, *measures, mark(row.ok, status([row]))]


def _place(row: OperationRow, name: str) -> str:
    off: Decimal = row.erp[name] - row.truth[name]
    return figure(row.erp[name]) + (f" ({off.normalize():+,f})" if off else "")


def mark(ok: bool, otherwise: str) -> Cell:
    """`exact`, or what differs."""
    return ("exact", "ok") if ok else (otherwise, "no")


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Columns whose name begins with + are numbers; a cell may be a pair of text and class."""
    cells = (f'<th class="n">{h[1:]}</th>' if h.startswith("+") else f"<th>{h}</th>" for h in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{''.join(cells)}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: Cell) -> str:
    text, kind = cell if isinstance(cell, tuple) else (cell, "")
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _whole(value: float | int | bool | str | None) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else "-"


def _found(result: Reconciliation, what: str) -> int:
    return sum(check.actual for check in result.checks if check.what == what)
