"""How requests stand, for people who ask: one entry each, the newest version counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from operators.request_book import place_of
from operators.request_lifecycle import Line, Progress
from operators.safety_stock import Place

Entry = dict[str, Any]


def of_requests(found: Mapping[tuple[str, str], Progress], instant: datetime) -> dict[tuple[str, ...], Entry]:
    """Entries of requests and of items that answer none; what is closed has no content, so that it is forgotten."""
    entries: dict[tuple[str, ...], Entry] = {}
    for (plant, _), each in found.items():
        if each.request is None and not each.lines:  # a result that came before its request
            continue
        papers = [paper for paper in (each.request, *_papers(each)) if paper is not None]
        place = place_of(papers)
        content = None if each.closed and not each.held else _content(each)
        if each.request is not None:
            name = f"request|{each.request['request_number']}"
            entries[plant, name] = _entry(name, place, instant, content)
        for line in each.lines:  # an item that came to answer a request is told with it
            name = f"item|{line.name}"
            entries[plant, name] = _entry(name, place, instant, None if each.request is not None else content)
    return entries


def _papers(found: Progress) -> list[Any]:
    return [paper for line in found.lines for paper in (line.order, line.answer, *line.notices, *line.receipts)]


def _content(found: Progress) -> Entry:
    request = found.request
    return {
        "stage": found.stage.name.lower(),
        "quantity": request["quantity"] if request is not None else None,
        "needed_on": request["due"] if request is not None else None,
        "lines": [_line(line) for line in found.lines],
        "waits_for": found.waits_for(),
    }


def _line(line: Line) -> Entry:
    return {
        "item": line.name,
        "stage": line.stage.name.lower(),
        "ordered": line.ordered,
        "acknowledged": line.answer["quantity"] if line.answer is not None else None,
        "shipped": line.shipped,
        "received": line.received,
    }


def _entry(name: str, place: Place, instant: datetime, content: Entry | None) -> Entry:
    plant, material, storage_location = place
    where = {"plant": plant, "material": material, "storage_location": storage_location}
    return {**where, "name": name, "instant": instant, "content": content}


__all__ = ["Entry", "of_requests"]
