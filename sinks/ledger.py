"""Desired totals and dead letters into the posting ledger.

Delivery: at least once from the engine, exactly once in effect, since the ledger keeps the highest revision of a key
and an identity of a dead letter. A ledger that is down stalls this flow and nothing is lost: records stay in Kafka.
No HTTP happens here.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from sqlalchemy import Connection, Engine

from millrace.failpoints import hit
from millrace.ledger import Ledger, stock_standings
from millrace.ledger.converters import CONVERTERS
from millrace.ledger.goods_movement import VERSIONS
from millrace.ledger.ledger import LEDGER_DOWN
from millrace.ledger.withdrawals import OrderStanding, Standing
from operators.confirmations import QUANTITIES, TIMES
from sinks.batches import Batch
from sinks.dead_letter import owner_of
from sinks.patience import patiently
from sinks.replenishment_batches import how_stock_stands

log = structlog.get_logger("millrace.sink.ledger")
#: What a withdrawn document shows, by a field that tells its contract.
_NOTHING: dict[str, dict[str, Any]] = {
    "quantity_yield": {
        **dict.fromkeys((*QUANTITIES, *TIMES, "over_delivery"), Decimal(0)),
        "scrap": [],
        "is_final": False,
    },
    "movement": {"quantity": Decimal(0)},
}


class LedgerPartition(StatelessSinkPartition[Batch]):
    """Writes batches of one worker."""

    def __init__(self, url: str, flow: str, owner: str | None = None) -> None:
        self._flow = flow
        self._ledger: Ledger = patiently(
            lambda: Ledger(url, who=flow, answers_for=lambda kind: owner_of(kind, owner)), LEDGER_DOWN
        )

    def write_batch(self, items: list[Batch]) -> None:
        """One transaction for documents and their orders, and one for dead letters."""
        documents = [
            CONVERTERS[batch.contract](record)
            for batch in items
            for frame in batch.documents
            for record in document_records(frame, self._flow, whole=True)
        ]
        orders = [standing for batch in items for standing in standings_of(batch)]
        letters = [letter for batch in items for letter in batch.letters]
        counts = {lane: values for batch in items for lane, values in batch.counts.items()}
        _tell([alert for batch in items for alert in batch.alerts], self._flow)
        hit("ledger.before_write")
        if documents or orders:
            patiently(lambda: self._ledger.put_desired(documents, orders), LEDGER_DOWN)
        hit("ledger.between_writes")
        emptied = [total for batch in items for total in batch.emptied]
        if letters or emptied:
            patiently(lambda: self._ledger.put_dead_letters(letters, emptied), LEDGER_DOWN)
        if counts:
            patiently(lambda: self._ledger.put_flow_counts(self._flow, counts), LEDGER_DOWN)
        if standings := how_stock_stands(items):
            patiently(lambda: self._ledger.change(partial(_put_standings, standings)), LEDGER_DOWN)
        hit("ledger.after_write")

    def close(self) -> None:
        """Give the connections back."""
        self._ledger.close()


def _put_standings(entries: list[dict[str, Any]], engine: Engine, connection: Connection, _now: int) -> None:
    stock_standings.put(engine, connection, entries)


class LedgerSink(DynamicSink[Batch]):
    """Sink of a flow into the ledger at `url`; any number of workers. `owner` answers for all that it tells of."""

    def __init__(self, url: str, flow: str, owner: str | None = None) -> None:
        self._url, self._flow, self._owner = url, flow, owner

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> LedgerPartition:
        """One connection pool per worker."""
        return LedgerPartition(self._url, self._flow, self._owner)


def _tell(alerts: list[dict[str, Any]], flow: str) -> None:
    """Alerts also go to the log, so that none is silent where nothing is published: one line a batch."""
    if alerts:
        kinds = Counter(alert["kind"] for alert in alerts)
        first = f"{alerts[0]['subject']}: {alerts[0]['message']}"
        log.warning("alerts", flow=flow, kinds=dict(kinds), first=first)


def standings_of(batch: Batch) -> list[Standing]:
    """Orders of a batch whose documents are withdrawn, or count again, and confirmations that show nothing."""
    orders = [OrderStanding(kind=batch.contract, **row) for frame in batch.orders for row in frame.to_dicts()]
    return [*orders, *batch.unconfirmed]


def document_records(frame: Any, flow: str, *, whole: bool = False) -> list[dict[str, Any]]:
    """Rows of documents as records of their contract; what of the envelope a row brings itself stands.

    Args:
        frame: Rows.
        flow: Name of the flow.
        whole: For a ledger, which has to know the total of what is withdrawn in case its order comes back, and the
            versions that movements follow; else what is withdrawn shows nothing, for consumers that add up.
    """
    envelope = {"source": flow, "sequence": None, "correlation_id": None, "tier": 1}
    return [
        {
            **envelope,
            "event_id": f"{row['document_key']}#{row['revision']}.{row['reference_version']}",
            "event_time": row.get("last_event_time"),
            **row,
        }
        for row in _shown(frame, whole)
    ]


def _shown(frame: Any, whole: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (frame if whole else frame.drop(VERSIONS, strict=False)).to_dicts()
    nothing = next((_NOTHING[name] for name in _NOTHING if name in frame.columns), None)
    if whole or nothing is None or not frame["withdrawn"].any():
        return rows
    return [{**row, **nothing} if row["withdrawn"] else row for row in rows]


__all__ = ["LedgerSink", "document_records", "standings_of"]
