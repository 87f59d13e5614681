"""Requests of one shard: their papers, how far each is, and what is not as agreed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from operators.frames import from_bytes, to_bytes
from operators.replenishment_alarms import Alarms
from operators.request_deviations import deviations, next_look
from operators.request_lifecycle import Progress, Terms, progress
from operators.request_papers import PAPER, RECEIVED, REQUESTED, merge_papers, supplies
from operators.safety_stock import Place
from operators.stock import STOCK_KEY
from operators.supply import EXPECTED, expected, together

_KEY = list(STOCK_KEY)
_GROUP = ["plant", "together"]
_IDENTITY = ["plant", "purchase_order", "purchase_order_item", "kind", "record_id"]
_REQUEST = {"plant": pl.String(), "request_number": pl.String()}
Group = tuple[str, str]
#: Papers of an item whose order nobody told of, such as one that was placed before its topic begins.
_NEVER_ORDERED = timedelta(days=400)


@dataclass(slots=True)
class RequestBook:
    """Papers and what follows from them.

    Args:
        terms: Of a place.
        keep: Papers of what is closed are kept this long after the newest of them.
    """

    terms: Callable[[Place], Terms]
    keep: timedelta
    papers: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PAPER))
    closed: set[Group] = field(default_factory=set)
    alarms: Alarms = field(default_factory=Alarms)
    _looks: dict[Group, datetime] = field(default_factory=dict)
    _touched: set[Group] = field(default_factory=set)
    _pruned_at: int = 0
    _expected: pl.DataFrame | None = None
    _saved: bytes | None = None

    def add(self, papers: pl.DataFrame) -> None:
        """Take rows of PAPER; `follow` says what they change."""
        if not papers.height:
            return
        names = papers.select(_IDENTITY).unique()
        # What it replaces may have been for another item, or its item may have answered another request.
        receipts = self.papers.filter(pl.col("kind") == RECEIVED).join(
            names, on=["plant", "kind", "record_id"], how="semi"
        )
        replaced = self._groups_of(pl.concat([names, receipts.select(_IDENTITY)]).unique())
        self.papers = merge_papers([self.papers, papers])
        self._touched |= replaced | self._groups_of(names)
        self._expected = self._saved = None

    def _groups_of(self, names: pl.DataFrame) -> set[Group]:
        """Groups of papers, each by all papers of its item."""
        items = self.papers.join(names, on=_IDENTITY[:3], how="semi").with_columns(together().alias("together"))
        return set(items.join(names, on=_IDENTITY, how="semi").select(_GROUP).iter_rows())

    def _tagged(self) -> pl.DataFrame:
        return self.papers.with_columns(together().alias("together"))

    def next_look(self) -> datetime | None:
        """When something may change by time alone."""
        return min(self._looks.values(), default=None)

    def follow(self, instant: datetime) -> tuple[list[dict[str, Any]], dict[Group, Progress]]:
        """Look at what was touched or is due: alerts, and how far each of these requests or items is now."""
        due = self._touched | {group for group, at in self._looks.items() if at <= instant}
        self._touched = set()
        alerts: list[dict[str, Any]] = []
        found: dict[Group, Progress] = {}
        for group, papers in self._groups(due).items():
            place = place_of(papers)
            terms = self.terms(place)
            found[group] = progress(papers, instant, terms)
            alerts += self._told(group[0], found[group], instant, terms)
            self._note(group, found[group], instant, terms)
        for group in due - set(found):  # its item answers a request now
            self._looks.pop(group, None)
        return alerts, found

    def _groups(self, wanted: Iterable[Group]) -> dict[Group, list[dict[str, Any]]]:
        names = pl.DataFrame(sorted(wanted), schema={"plant": pl.String, "together": pl.String}, orient="row")
        groups: dict[Group, list[dict[str, Any]]] = {}
        if names.height:
            for row in self._tagged().join(names, on=_GROUP, how="semi").to_dicts():
                groups.setdefault((row["plant"], row["together"]), []).append(row)
        return groups

    def _told(self, plant: str, found: Progress, instant: datetime, terms: Terms) -> list[dict[str, Any]]:
        """Conditions belong to an item, or to the request: an item may come to answer a request later."""
        by_group: dict[str, list[dict[str, Any]]] = {group: [] for group in _alarm_groups(plant, found)}
        for condition in deviations(found, instant, terms):
            subject = condition["subject"].partition("|")[2]
            item = f"{plant}|item|{subject}"
            by_group.setdefault(item if item in by_group else f"{plant}|request|{subject}", []).append(condition)
        return [alert for group, standing in by_group.items() for alert in self.alarms.update(group, standing, instant)]

    def _note(self, group: Group, found: Progress, instant: datetime, terms: Terms) -> None:
        look = next_look(found, instant, terms)
        if look is None:
            self._looks.pop(group, None)
        else:
            self._looks[group] = look
        if found.request is not None and found.closed != (group in self.closed):
            self.closed ^= {group}
            self._expected = None

    def expected(self) -> pl.DataFrame:
        """What is on its way, rows of EXPECTED."""
        if self._expected is None:
            numbers = [(plant, name.partition("|")[2]) for plant, name in sorted(self.closed)]
            gone = pl.DataFrame(numbers, schema=_REQUEST, orient="row")
            self._expected = expected(supplies(self.papers, gone)).select(list(EXPECTED))
        return self._expected

    def prune(self, instant: datetime) -> None:
        """Forget what is closed and old enough; a record that is sent again later was stopped by de-duplication."""
        if self.papers.height <= 2 * self._pruned_at + 500:
            return
        tagged = self._tagged()
        newest = tagged.group_by(_GROUP).agg(pl.col("time").max()).filter(pl.col("time") < instant - self.keep)
        old = set(newest.select(_GROUP).iter_rows())
        gone = [group for group, papers in self._groups(old).items() if self._over(group[0], papers, instant)]
        names = pl.DataFrame(gone, schema={"plant": pl.String, "together": pl.String}, orient="row")
        self.papers = tagged.join(names, on=_GROUP, how="anti").drop("together")
        for group in gone:
            self._looks.pop(group, None)
            self.closed.discard(group)
        self._pruned_at, self._expected, self._saved = self.papers.height, None, None

    def _over(self, plant: str, papers: list[dict[str, Any]], instant: datetime) -> bool:
        """Whether nothing is expected of a group any more; what was not as agreed is then forgotten with it.

        The order may still come of what has none; not after `_NEVER_ORDERED`.
        """
        found = progress(papers, instant, self.terms(place_of(papers)))
        over = found.closed and not found.held and all(line.order is not None for line in found.lines)
        if found.request is None and all(line.order is None for line in found.lines):
            over = over or max(paper["time"] for paper in papers) < instant - _NEVER_ORDERED
        for group in _alarm_groups(plant, found) if over else ():
            self.alarms.forget(group)
        return over

    def snapshot(self) -> dict[str, Any]:
        """Plain values and Arrow IPC bytes."""
        if self._saved is None:
            self._saved = to_bytes(self.papers)
        return {
            "papers": self._saved,
            "closed": sorted(self.closed),
            "looks": dict(self._looks),
            "touched": sorted(self._touched),
            "alarms": self.alarms.snapshot(),
            "pruned_at": self._pruned_at,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self.papers, self._saved = from_bytes(state["papers"], PAPER), state["papers"]
        self.closed = {(plant, name) for plant, name in state["closed"]}
        self._looks = dict(state["looks"])
        self._touched = {(plant, name) for plant, name in state["touched"]}
        self.alarms, self._pruned_at, self._expected = Alarms(state["alarms"]), state["pruned_at"], None


def _alarm_groups(plant: str, found: Progress) -> list[str]:
    items = [f"{plant}|item|{line.name}" for line in found.lines]
    return items if found.request is None else [*items, f"{plant}|request|{found.request['request_number']}"]


def place_of(papers: Iterable[Mapping[str, Any]]) -> Place:
    """Where it goes: as the request says, else the order, else any paper that names a storage location."""
    ranked = sorted(papers, key=lambda paper: (paper["kind"] != REQUESTED, not paper["storage_location"]))
    first = ranked[0]
    return first["plant"], first["material"], first["storage_location"]


__all__ = ["Group", "RequestBook", "place_of"]
