"""What a flow tells Prometheus, once per batch; labels are bounded: flow, lane, contract, outcome.

| metric | meaning | unit |
|---|---|---|
| millrace_records | records of a contract by outcome (read, accepted, duplicates, late, unverified, dead) | records |
| millrace_documents_total | documents announced by this process | documents |
| millrace_dead_letters_total | dead letters by reason, announced by this process | letters |
| millrace_alerts_total | alerts by kind | alerts |

`millrace_records` comes from the lanes' snapshotted state, so it counts each record once over any number of restarts.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from sinks.batches import Batch

RECORDS = Gauge(
    "millrace_records", "Records by outcome since the flow's first start", ["flow", "lane", "contract", "outcome"]
)
DOCUMENTS = Counter("millrace_documents", "Documents announced", ["flow"])
LETTERS = Counter("millrace_dead_letters", "Dead letters announced", ["flow", "reason"])
ALERTS = Counter("millrace_alerts", "Alerts raised", ["flow", "kind"])


def observe(batch: Batch, flow: str) -> Batch:
    """Count a batch and pass it on."""
    for lane, counts in batch.counts.items():
        for name, value in counts.items():
            outcome, contract, *_ = name.split(":")
            if outcome != "dead":
                RECORDS.labels(flow, lane, contract, outcome).set(value)
    for frame in batch.documents:
        DOCUMENTS.labels(flow).inc(frame.height)
    for letter in batch.letters:
        LETTERS.labels(flow, letter.reason).inc()
    for alert in batch.alerts:
        ALERTS.labels(flow, alert["kind"]).inc()
    return batch
