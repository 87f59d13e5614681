"""What became of an order, as a tree on the terminal and as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from millrace.cli.trace_events import Events
from millrace.ledger.queries import DocumentReport

Letters = Sequence[Mapping[str, Any]]


def trace_tree(
    order: str, reports: Sequence[DocumentReport], letters: Letters, events: Events, *, with_history: bool
) -> Tree:
    """Events, then operation by operation its windows with documents, postings and their changes."""
    tree = Tree(f"[bold]order {escape(order)}[/]")
    if with_history:
        _add_events(tree.add("events that name the order, in the history"), events)
    operations: dict[tuple[str, str], Tree] = {}
    for report in reports:
        document = report.document
        key = (document["plant"], document["operation"])
        if key not in operations:
            plant, operation = (escape(text) for text in key)
            operations[key] = tree.add(f"plant {plant}, operation {operation}")
        _add_document(operations[key], report, events)
    if not reports:
        tree.add("no document in the ledger")
    if letters:
        _add_letters(tree.add("dead letters"), letters)
    return tree


def _add_events(branch: Tree, events: Events) -> None:
    for contract, ranges in events.contracts.items():
        for found in ranges:
            branch.add(
                f"{contract}: {found['events']} events, {_instant(found['first'])} to "
                f"{_instant(found['last'])}, partition {found['partition']}, "
                f"offsets {found['first_offset']} to {found['last_offset']}"
            )
    if not events.contracts:
        branch.add("none")


def _add_document(branch: Tree, report: DocumentReport, events: Events) -> None:
    document, attributes = report.document, report.document["attributes"]
    window = branch.add(f"{escape(_heading(document['kind'], attributes))}: {document['state']}")
    final = ", final" if document["final"] else ""
    final += ", withdrawn" if document["cancelled"] else ""
    desired = window.add(
        f"document {escape(document['key'])}, revision {document['revision']} "
        f"(order version {document['reference_version']}){final}: {_quantities(document['quantities'])} "
        f"{escape(str(attributes.get('unit') or ''))}"
    )
    for origin in attributes.get("origins") or []:
        desired.add(escape(_origin(origin)))
    for contract, count in _in_window(report, events).items():
        desired.add(f"{count} {contract} in the history name the order in this window")
    if document["waits_for"]:
        desired.add(f"waits for {escape(document['waits_for'])}")
    if document["reason"]:
        desired.add(f"[red]{escape(document['reason'])}[/]")
    if document["booked"]:
        desired.add(f"booked: {_quantities(document['booked'])}")
    for posting in report.postings:
        _add_posting(window, posting, report)


def _add_posting(branch: Tree, posting: Mapping[str, Any], report: DocumentReport) -> None:
    number = f", ERP document [bold]{escape(posting['erp_document'])}[/]" if posting["erp_document"] else ""
    final = ", final" if posting["final"] else ""
    node = branch.add(
        f"step {posting['step']} {posting['action']} of revision {posting['revision']} in "
        f"{escape(posting['system'])}: {posting['status']}{number}{final}, {posting['attempts']} attempts, "
        f"{_quantities(posting['quantities'])}"
    )
    node.add(f"external reference {posting['external_reference']}")
    if posting["reverses"]:
        node.add(f"corrects {posting['reverses']}, ERP document {escape(str(posting['reverses_document']))}")
    if moved := posting["attributes"].get("original_posting_date"):
        node.add(f"posted on {posting['attributes']['posting_date']}, since the period of {moved} is closed")
    for change in report.audit:
        if change["external_reference"] == posting["external_reference"]:
            why = f": {escape(change['why'])}" if change["why"] else ""
            came = f"{change['from_status']} to " if change["from_status"] else ""
            node.add(f"{_micros(change['at'])} {came}{change['to_status']} by {escape(change['who'])}{why}")


def _add_letters(branch: Tree, letters: Letters) -> None:
    for letter in letters:
        solved = f", {letter['state']} {_micros(letter['state_at'])}" if letter["state"] != "open" else ""
        branch.add(
            f"{_micros(letter['event_time'])} {letter['kind']} [red]{escape(letter['reason'])}[/]: "
            f"{escape(letter['detail'])}, {letter['events']} events{solved}"
        )


def _heading(kind: str, attributes: Mapping[str, Any]) -> str:
    """What the document is about."""
    if kind == "ProductionConfirmation":
        return _window(attributes)
    names = ("role", "material", "batch", "storage_location")
    about = ", ".join(f"{name} {attributes[name]}" for name in names if attributes.get(name))
    return f"{kind}, {about}, posted on {attributes.get('posting_date') or attributes.get('delivery_date')}"


def _window(attributes: Mapping[str, Any]) -> str:
    start, end = attributes.get("window_start"), attributes.get("window_end")
    center = f"work centre {attributes.get('work_center')}"
    if not start or datetime.fromisoformat(start).timestamp() == 0:
        return f"{center}, whole operation"
    shift = f", shift {attributes['shift']}" if attributes.get("shift") else ""
    span = f"{_instant(datetime.fromisoformat(start))} to {_instant(datetime.fromisoformat(end or start))}"
    return f"{center}{shift}, window {span}, posted on {attributes.get('posting_date')}"


def _in_window(report: DocumentReport, events: Events) -> dict[str, int]:
    attributes = report.document["attributes"]
    start, end = attributes.get("window_start"), attributes.get("window_end")
    if not start or not end:
        return {}
    bounds = (datetime.fromisoformat(start), datetime.fromisoformat(end))
    return events.within(report.document["plant"], *bounds)


def _origin(origin: Mapping[str, Any]) -> str:
    return (
        f"from {origin['events']} {origin['topic']}, partition {origin['partition']}, "
        f"offsets {origin['first_offset']} to {origin['last_offset']}"
    )


def _quantities(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{escape(n)} {v.normalize():f}" for n, v in amounts.items() if v) or "nothing"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _micros(at: int) -> str:
    return _instant(datetime.fromtimestamp(at / 1_000_000, UTC))


def plain_trace(order: str, reports: Sequence[DocumentReport], letters: Letters, events: Events) -> dict[str, Any]:
    """The same as plain values: decimals as strings, instants as ISO 8601 or microseconds UTC."""
    return {
        "order_id": order,
        "events": _plain(events.contracts),
        "documents": [
            {
                **_plain(report.document),
                "history_events": _in_window(report, events),
                "postings": _plain(report.postings),
                "audit": _plain(report.audit),
            }
            for report in reports
        ],
        "dead_letters": _plain(letters),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):  # datetimes too
        return value.isoformat()
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
