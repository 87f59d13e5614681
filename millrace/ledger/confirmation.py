"""ProductionConfirmation records as desired documents: the names that flows and connectors agree on.

Measures: `yield`, `rework`, `scrap:<reason>` (`scrap:` where the source names no reason), `setup_time`,
`machine_time`, `labour_time` (seconds). Everything else an ERP may need travels as an attribute under its
contract name; dates and instants are ISO 8601 strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from millrace.ledger.model import DesiredDocument
from millrace.ledger.records import plain

KIND = "ProductionConfirmation"
SCRAP = "scrap:"
TIMES = ("setup_time", "machine_time", "labour_time")
_ATTRIBUTES = (
    "operation",
    "work_center",
    "material",
    "shift",
    "posting_date",
    "window_start",
    "window_end",
    "unit",
    "first_event_time",
    "last_event_time",
    "event_count",
    "over_delivery",
    "adjustment",
    "origins",
)


def desired_document(record: Mapping[str, Any]) -> DesiredDocument:
    """A desired document from a decoded record: decimals, dates and aware datetimes as values."""
    return DesiredDocument(
        key=record["document_key"],
        kind=KIND,
        plant=record["plant"],
        order_id=record["order_id"],
        sort_key=f"{record['window_start'].isoformat()}|{record['operation']}|{record['document_key']}",
        tier=record["tier"],
        revision=record["revision"],
        reference_version=record["reference_version"],
        quantities=_measures(record),
        attributes={name: plain(record[name]) for name in _ATTRIBUTES if name in record},
        final=record["is_final"],
        cancelled=record.get("withdrawn", False),
        correlation_id=record.get("correlation_id"),
    )


def _measures(record: Mapping[str, Any]) -> dict[str, Decimal]:
    measures = {"yield": record["quantity_yield"], "rework": record["quantity_rework"]}
    for part in record["scrap"]:
        measures[f"{SCRAP}{part['reason'] or ''}"] = part["quantity"]
    measures.update({name: record[name] for name in TIMES})
    return {name: amount for name, amount in measures.items() if amount}
