"""`millrace status --material M`: stock by status, where it leads, open requests and what each waits for."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from sqlalchemy import Connection, select

from millrace.ledger import Ledger, stock_standings
from millrace.ledger.approval_requirement import missing
from millrace.ledger.model import DocumentState
from millrace.ledger.tables import documents, postings
from millrace.ledger.text import load_json

_STATUSES = ("on_hand", "quality_hold", "blocked", "allocated", "in_transit", "open_requests", "projected")
_WIDEST = 400
_AHEAD = ("reorder_point", "order_up_to", "demand_mean", "days_of_cover", "crosses_at", "stock_out_at")


def material_status(ledger: Ledger, material: str, plant: str | None) -> dict[str, Any]:
    """How a material stands, as the flow last told; `stock` and `requests` are empty where it never did.

    Args:
        ledger: The ledger that the flow writes to.
        material: Material.
        plant: Plant; None for all.
    """
    entries = ledger.ask(partial(stock_standings.of_material, material=material, plant=plant))
    numbers = [each["name"].partition("|")[2] for each in entries if each["name"].startswith("request|")]
    known = ledger.ask(lambda connection: _documents(connection, numbers))
    stock = [_place(each) for each in entries if each["name"].startswith("stock|")]
    requests = [_request(each, known) for each in entries if not each["name"].startswith("stock|")]
    return {"material": material, "stock": stock, "requests": requests}


def _place(entry: dict[str, Any]) -> dict[str, Any]:
    return {**_where(entry), "at": entry["instant"], **entry["content"]}


def _where(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("plant", "storage_location")}


def _request(entry: dict[str, Any], known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    kind, _, name = entry["name"].partition("|")
    document = known.get(name) if kind == "request" else None
    content = entry["content"]
    own = [] if document is None else document.pop("waits_for")
    waits = {"waits_for": [*own, *content.pop("waits_for")]}
    return {kind: name, **_where(entry), "at": entry["instant"], **content, **waits, "document": document}


def _documents(connection: Connection, numbers: list[str]) -> dict[str, dict[str, Any]]:
    """Documents of requests: state, what they wait for before the ERP has them, and the ERP's number."""
    rows = connection.execute(select(documents).where(documents.c.key.in_(numbers)))
    return {row.key: _document(connection, row) for row in rows}


def _document(connection: Connection, row: Any) -> dict[str, Any]:
    newest = select(postings.c.status, postings.c.erp_document).where(postings.c.document_key == row.key)
    posting = connection.execute(newest.order_by(postings.c.step.desc()).limit(1)).one_or_none()
    waits = _waits(row)
    number = posting.erp_document if posting is not None else None
    return {"state": row.state, "erp_document": number, "waits_for": waits}


def _waits(row: Any) -> list[str]:
    """What keeps the document from the ERP; no poster may have looked at it yet."""
    if row.state == DocumentState.SETTLED:
        return []
    if row.state in (DocumentState.REJECTED, DocumentState.PARKED):
        return [f"a person: {row.reason or row.state}"]
    approvals = [each for each in load_json(row.requires) if missing(load_json(row.attributes), each)]
    if approvals:
        return [f"approval ({approvals[0]['why']})"]
    return [str(row.waits_for)] if row.state == DocumentState.WAITING and row.waits_for else ["posting to the ERP"]


def show(found: dict[str, Any], console: Console) -> None:
    """Print tables for a person."""
    if not found["stock"] and not found["requests"]:
        console.print(f"nothing is known of material {escape(found['material'])}", highlight=False)
        return
    stock = _table("Stock", ("plant", "location", "unit", *_STATUSES))
    ahead = _table("Ahead", ("plant", "location", "at", *_AHEAD))
    for place in found["stock"]:
        where = (place["plant"], place["storage_location"])
        _row(stock, (*where, place["unit"], *(place[name] for name in _STATUSES)))
        _row(ahead, (*where, _minute(place["at"]), *_foreseen(place)))
    requests = _table("Open requests and orders", ("request", "location", "quantity", "stage", "ERP", "waits for"))
    for each in found["requests"]:
        document = each["document"] or {}
        name = each.get("request") or f"order {each['item']}"
        waits = "; ".join(each["waits_for"])
        erp = document.get("erp_document") or document.get("state")
        _row(requests, (name, each["storage_location"], each["quantity"], each["stage"], erp, waits))
    for table in (stock, ahead, requests):
        if table.row_count:
            # As wide as it is, also where the terminal is narrower: a number that is cut is another number.
            width = Measurement.get(console, console.options.update(width=_WIDEST), table).maximum
            console.width = max(console.width, width)
            console.print(table)


def _foreseen(place: dict[str, Any]) -> list[str | None]:
    """Limits, and what lies ahead in days and minutes: for people that is exact enough."""
    cover = place["days_of_cover"]
    days = None if cover is None else f"{Decimal(cover):.1f}"
    return [*(place[name] for name in _AHEAD[:3]), days, *(_minute(place[name]) for name in _AHEAD[4:])]


def _minute(instant: str | None) -> str | None:
    return None if instant is None else f"{instant[:16].replace('T', ' ')}Z"


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right" if name in (*_STATUSES, *_AHEAD[:4]) else "left")
    return table


def _row(table: Table, cells: tuple[Any, ...]) -> None:
    table.add_row(*(escape("" if cell is None else str(cell)) for cell in cells))


__all__ = ["material_status", "show"]
