"""What a running demo looks like from outside: ledger, feed and ERP asked a few times a second."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from sqlalchemy import Connection, func, select

from millrace.ledger import Ledger
from millrace.ledger.queries import documents_by_state, postings_by_status
from millrace.ledger.tables import documents
from sandbox.demo_check import CHECKED, EVENTS
from sandbox.demo_feed import Feed
from sandbox.demo_settings import FLOW
from sandbox.plant_layout import TOPICS
from sandbox.report import Mark, Sample


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
    """

    def __init__(self, ledger: Ledger, erp: Erp, feed: Feed) -> None:
        self._ledger, self._erp, self._feed = ledger, erp, feed
        self._begun = time.monotonic()
        self.samples: list[Sample] = []
        self.marks: list[Mark] = []
        self.kills, self.erp_up, self.note = 0, True, ""
        self._killed: tuple[float, int] | None = None

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun

    def mark(self, label: str, since: float | None = None) -> None:
        """Remember a moment, or what went on since a second."""
        self.marks.append((self.now, label, None) if since is None else (since, label, self.now))

    def killed(self) -> None:
        """Remember that the flow was killed; its mark ends where it reads on."""
        self.kills += 1
        self._killed = (self.now, self.read(EVENTS))

    def sample(self) -> Sample:
        """Take a sample."""
        read, sent = self.read(EVENTS), sum(self._feed.sent[TOPICS[name]] for name in EVENTS)
        if self._killed is not None and read > self._killed[1]:
            self.mark("flow killed (SIGKILL), started again", self._killed[0])
            self._killed = None
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

    def read(self, contracts: Iterable[str]) -> int:
        """Records that the flow has read durably."""
        totals = self._ledger.flow_totals(FLOW)
        return sum(totals.get(f"read:{name}", 0) for name in contracts)

    def all_read(self) -> bool:
        """Whether the flow has read everything that was sent."""
        return self.read(CHECKED) == sum(self._feed.sent[TOPICS[name]] for name in CHECKED)

    def booked(self) -> int:
        """Postings that the ERP has confirmed."""
        return self._ledger.ask(postings_by_status).get("booked", 0)

    def unfinished(self) -> int:
        """Documents that are still to be booked."""
        return self._ledger.unfinished()

    def stats(self) -> dict[str, Any]:
        """What the ERP counts."""
        return self._erp.stats()


def _hours_announced(connection: Connection) -> int:
    """Windows of an hour that have a document; a completion has none (its window starts with the epoch)."""
    start = func.json_extract(documents.c.attributes, "$.window_start")
    hours = select(func.count(func.distinct(start))).where(start > "1971")
    return connection.scalar(hours) or 0
