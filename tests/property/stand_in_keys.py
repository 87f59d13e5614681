"""The keyed half of the stand-in: totals and documents by key, with queues that overtake each other."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from operators.clock import Tick
from operators.documents import DocumentConfig, Documents, DocumentsOutput
from operators.layout import Layout
from operators.reference_lane import ReferenceOutput
from operators.totals import Closed, Totals
from tests.property.plant_records import HOUR
from tests.property.stand_in_consumer import Consumer


class Keys:
    """State by key and what is on its way to it.

    Args:
        layout: Keys of the flow.
        consumer: Takes documents.
        chance: Decides what overtakes what.
        saved: Snapshot to go on from; empty is a fresh start.
    """

    def __init__(self, layout: Layout, consumer: Consumer, chance: random.Random, saved: dict[str, Any]) -> None:
        self._layout, self._consumer, self._chance = layout, consumer, chance
        self._totals = {key: self._make_totals(part) for key, part in saved.get("totals", {}).items()}
        self._documents = {key: self._make_documents(part) for key, part in saved.get("documents", {}).items()}
        self._queues: dict[str, list[Any]] = defaultdict(list)

    def _make_totals(self, state: Any = None) -> Totals:
        totals = Totals(self._layout.window)
        if state is not None:
            totals.restore(state)
        return totals

    def _make_documents(self, state: Any = None) -> Documents:
        documents = Documents(DocumentConfig(self._layout.window, wait=10_000 * HOUR))
        if state is not None:
            documents.restore(state)
        return documents

    def send(self, keyed: Sequence[tuple[str, Any]]) -> None:
        """Put items on their way."""
        for key, item in keyed:
            self._queues[key].append(item)

    def work(self) -> None:
        """Process what one key has waiting; what different senders sent may overtake each other."""
        waiting = [key for key, items in self._queues.items() if items]
        if not waiting:
            return
        key = self._chance.choice(waiting)
        items, self._queues[key] = self._queues[key], []
        items = self._stirred(items)
        if key[0] == "s":
            self._document(key, items)
        else:
            self._total(key, items)

    def _stirred(self, items: list[Any]) -> list[Any]:
        """In any order, but for what one slot announced: that keeps its own."""
        announced = iter([item for item in items if isinstance(item, Closed)])
        self._chance.shuffle(items)
        return [next(announced) if isinstance(item, Closed) else item for item in items]

    def _total(self, key: str, items: list[Any]) -> None:
        totals = self._totals.setdefault(key, self._make_totals())
        shard = self._layout.shard_of(key)
        for item in items:
            if isinstance(item, Tick):
                self._send_closed(shard, totals.tick(item.watermark, item.frontier))
            elif isinstance(item, ReferenceOutput):
                self.send([(shard, item)])
                self._send_closed(shard, totals.touch(item.touched))
            else:
                totals.add(item)
        if self._chance.random() < 0.5:
            self._send_closed(shard, totals.revise())

    def _send_closed(self, shard: str, closed: Closed | None) -> None:
        if closed is not None:
            self.send([(shard, closed)])

    def _document(self, key: str, items: list[Any]) -> None:
        documents = self._documents.setdefault(key, self._make_documents())
        output = DocumentsOutput()
        documents.batch(items, output)
        self._consumer.take(output)

    def drain(self) -> None:
        """Process everything in flight."""
        while any(self._queues.values()):
            self.work()

    def snapshot(self) -> dict[str, Any]:
        """Plain values; nothing may be in flight."""
        return {
            "totals": {key: totals.snapshot() for key, totals in self._totals.items()},
            "documents": {key: documents.snapshot() for key, documents in self._documents.items()},
        }

    def flush_totals(self) -> None:
        """Announce every total at the end of a finite input."""
        for key, totals in self._totals.items():
            self._send_closed(self._layout.shard_of(key), totals.flush())

    def flush_documents(self) -> None:
        """Hand out every document at the end of a finite input."""
        for documents in self._documents.values():
            output = DocumentsOutput()
            documents.flush(output)
            self._consumer.take(output)

    @property
    def windows(self) -> int:
        """Windows in the state."""
        return sum(len(totals.snapshot()["cells"]) for totals in self._totals.values())
