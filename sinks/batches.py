"""What a flow hands to its sinks: documents, dead letters, alerts and counts, one batch at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millrace.ledger.healing import EmptiedTotal
from millrace.ledger.model import DeadLetter
from millrace.ledger.withdrawals import NothingConfirmed
from operators.documents import DocumentsOutput
from operators.lane import LaneOutput
from operators.reference_lane import ReferenceOutput
from operators.timeline_batch import TimelineBatch
from sinks.dead_letter import emptied_total, orphan, record_letter, total_letter

CONFIRMATIONS = "ProductionConfirmation"


@dataclass(slots=True)
class Batch:
    """One batch of everything a flow announces; empty parts are empty.

    Args:
        documents: Rows of documents, without the envelope that sinks add.
        contract: What the documents are.
        orders: Rows of STANDING: orders that were cancelled or released again.
        unconfirmed: Confirmations without yield, whose movements may be known to the ledger alone.
        letters: What was given up.
        emptied: Totals whose pieces have gone elsewhere: the letters that told of them may have healed.
        alerts: Fields of Alert without its envelope.
        state_times: Rows of StateTime's measures.
        projections: Rows of SIGNAL.
        standings: How requests stand, an entry each; how places stand, `projections` say.
        counts: Running totals by lane.
    """

    documents: list[pl.DataFrame] = field(default_factory=list)
    contract: str = CONFIRMATIONS
    orders: list[pl.DataFrame] = field(default_factory=list)
    unconfirmed: list[NothingConfirmed] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    emptied: list[EmptiedTotal] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    state_times: list[pl.DataFrame] = field(default_factory=list)
    projections: list[pl.DataFrame] = field(default_factory=list)
    standings: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


def of_lane(output: LaneOutput, flow: str, owner: str | None = None) -> Batch:
    """Dead letters, gaps and counts of a lane."""
    alerts = [
        {
            "kind": "sequence_gap",
            "severity": "WARNING",
            "plant": gap.source.partition("\x1f")[0],
            "subject": gap.source.rpartition("\x1f")[2],
            "message": f"numbers {gap.first} to {gap.last} have not arrived",
        }
        for gap in output.gaps
    ]
    alerts += output.notices
    letters = [record_letter(dead, flow, owner) for dead in output.dead]
    return Batch(letters=letters, alerts=alerts, counts={output.lane: output.counts})


def of_reference(output: ReferenceOutput, flow: str, owner: str | None = None) -> Batch:
    """Dead letters and counts of the reference lane."""
    letters = [record_letter(dead, flow, owner) for dead in output.dead]
    return Batch(letters=letters, counts={"reference": output.counts} if output.counts else {})


def of_documents(output: DocumentsOutput, flow: str, owner: str | None = None) -> Batch:
    """Confirmations, totals given up and alerts."""
    letters = [total_letter(total, flow, owner) for total in output.given_up]
    emptied = [emptied_total(total) for total in output.emptied]
    return Batch(
        documents=output.confirmations, orders=output.orders, letters=letters, emptied=emptied, alerts=output.alerts
    )


def of_timeline(batch: TimelineBatch, flow: str, owner: str | None = None) -> Batch:
    """State times, quarantined counter readings, and events that came too late to be attributed."""
    output = batch.output
    alerts = [
        {
            "kind": row["reason"],
            "severity": "WARNING",
            "plant": row["plant"],
            "subject": row["source"] or row["work_center"],
            "message": f"counter {row['counter'] or ''} of work centre {row['work_center']}, {row['register']}: "
            f"{row['found']} after {row['previous']}, event {row['event_id']}",
        }
        for row in output.quarantined.to_dicts()
    ]
    letters = [record_letter(orphan(row), flow, owner) for row in batch.orphans.to_dicts()]
    frames = [output.state_times] if output.state_times.height else []
    return Batch(letters=letters, alerts=alerts, state_times=frames)
