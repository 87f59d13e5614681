"""What a running demo looks like from outside: ledger, feed and ERP asked a few times a second."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from sqlalchemy import Connection, func, select

from millrace.ledger import Ledger
from millrace.ledger.confirmation import KIND
from millrace.ledger.queries import documents_by_state, postings_by_status
from millrace.ledger.tables import documents, stock_standings
from sandbox.demo_check import CHECKED, EVENTS
from sandbox.demo_check_stock import READ
from sandbox.demo_feed import Feed
from sandbox.demo_settings import FLOW
from sandbox.plant_layout import ALL_TOPICS, TOPICS
from sandbox.procurement import Procurement
from sandbox.report import Mark, Sample

#: Contracts by flow.
_READ = {FLOW: CHECKED, **READ}


class Erp:
    """The sandbox ERP's control interface, which its faults do not touch.

    Args:
        url: Base URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=f"{url}/_control", trust_env=False, timeout=10)

    def ready(self) -> bool:
        """Whether it serves."""
        try:
            return self._client.get("/stats").is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def release(self, orders: Mapping[str, list[str]]) -> None:
        """Make orders and their operations known."""
        self._client.post("/orders", json=orders).raise_for_status()

    def order_fault(self, kind: str, count: int | None) -> None:
        """Order a fault, so many times or until it is cleared."""
        self._client.post("/faults", json={"kind": kind, "count": count}).raise_for_status()

    def clear_fault(self, kind: str) -> None:
        """End a fault."""
        self._client.delete("/faults", params={"kind": kind}).raise_for_status()

    def stats(self) -> dict[str, Any]:
        """Documents, doubled references, requests, faults met."""
        answer: dict[str, Any] = self._client.get("/stats").raise_for_status().json()
        return answer


class Watch:
    """Samples and marks of one run.

    Args:
        ledger: Ledger of the demo.
        erp: Its ERP.
        feed: Its feed.
        procurement: Its buyers and suppliers.
    """

    def __init__(self, ledger: Ledger, erp: Erp, feed: Feed, procurement: Procurement) -> None:
        self._ledger, self._erp, self._feed, self._procurement = ledger, erp, feed, procurement
        self._begun = time.monotonic()
        self.samples: list[Sample] = []
        self.marks: list[Mark] = []
        self.kills, self.erp_up, self.note = 0, True, ""
        self._killed: dict[str, tuple[float, int]] = {}

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun

    def mark(self, label: str, since: float | None = None) -> None:
        """Remember a moment, or what went on since a second."""
        self.marks.append((self.now, label, None) if since is None else (since, label, self.now))

    def killed(self, flow: str) -> None:
        """Remember that a flow was killed; its mark ends where it reads on."""
        self.kills += 1
        self._killed[flow] = (self.now, self.read(_READ[flow], flow))

    def sample(self) -> Sample:
        """Take a sample."""
        read, sent = self.read(EVENTS), sum(self._feed.sent[TOPICS[name]] for name in EVENTS)
        for flow, (since, before) in list(self._killed.items()):
            if self.read(_READ[flow], flow) > before:
                self.mark(f"{flow} killed (SIGKILL), started again", since)
                del self._killed[flow]
        states = self._ledger.ask(documents_by_state)
        taken: Sample = {
            "t": round(self.now, 3),
            "plant_seconds": self._feed.reached,
            "produced": sent,
            "read": read,
            "lag": max(sent - read, 0),
            "documents": sum(states.values()),
            "open_windows": max(len(self._feed.hours) - self._ledger.ask(_hours_announced), 0),
            "pending": self._ledger.unfinished(),
            "booked": self.booked(),
            "erp_up": self.erp_up,
            "kills": self.kills,
            "note": self.note,
        }
        self.samples.append(taken)
        return taken

    def read(self, contracts: Iterable[str], flow: str = FLOW) -> int:
        """Records that a flow has read durably."""
        totals = self._ledger.flow_totals(flow)
        return sum(totals.get(f"read:{name}", 0) for name in contracts)

    def all_read(self) -> bool:
        """Whether every flow has read everything that was sent."""
        return all(self.read(names, flow) == sum(map(self._sent, names)) for flow, names in _READ.items())

    def may_ask(self) -> bool:
        """Whether the flow of replenishment has not judged the whole day yet, or anything is still to be booked."""
        judged = self._ledger.ask(_judged) or 0
        return judged < self._procurement.day.at(1.0).timestamp() * 1_000_000 or self.unfinished() > 0

    def _sent(self, name: str) -> int:
        topic = ALL_TOPICS[name]
        return self._feed.sent[topic] + self._procurement.sent.get(topic, 0)

    def booked(self) -> int:
        """Postings that the ERP has confirmed."""
        return self._ledger.ask(postings_by_status).get("booked", 0)

    def unfinished(self) -> int:
        """Documents that are still to be booked."""
        return self._ledger.unfinished()

    def stats(self) -> dict[str, Any]:
        """What the ERP counts."""
        return self._erp.stats()


def _judged(connection: Connection) -> int | None:
    """The last instant that stock was judged at."""
    last: int | None = connection.scalar(
        select(func.max(stock_standings.c.instant)).where(stock_standings.c.name.like("stock|%"))
    )
    return last


def _hours_announced(connection: Connection) -> int:
    """Windows of an hour that have a document; a completion has none (its window starts with the epoch)."""
    start = func.json_extract(documents.c.attributes, "$.window_start")
    hours = select(func.count(func.distinct(start))).where(start > "1971", documents.c.kind == KIND)
    return connection.scalar(hours) or 0
