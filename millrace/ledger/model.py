"""What the ledger stores: desired totals per document and the postings that book them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

Json = Any


class Status(StrEnum):
    """State of a posting. ACCEPTED means queued by the ERP, which is not booked."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"
    BOOKED = "booked"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class DesiredDocument:
    """The total that an ERP should show for one key; a higher version replaces a lower one.

    Args:
        key: Stable identity of the document (`document_key` of its contract).
        kind: Contract name, for instance ProductionConfirmation.
        plant: ISA-95 Site.
        order_id: Order; postings of one order are made one at a time, in the order of `sort_key`.
        sort_key: Orders the documents of one order; what sorts first is posted first.
        tier: 1 to 3, lower is more urgent.
        revision: Distinct accepted events the total depends on.
        reference_version: Version of the reference data that enriched it; breaks ties of `revision`.
        quantities: Additive measures by name; what is posted is the difference to what is booked.
        attributes: Everything else an ERP needs (unit, dates, work centre ...), JSON values; the newest counts.
        final: The document completes its operation; once posted as final it stays so.
        correlation_id: Ties together what one cause brought about.
    """

    key: str
    kind: str
    plant: str
    order_id: str
    sort_key: str
    tier: int
    revision: int
    reference_version: int
    quantities: Mapping[str, Decimal]
    attributes: Mapping[str, Json] = field(default_factory=dict)
    final: bool = False
    correlation_id: str | None = None

    @property
    def version(self) -> tuple[int, int]:
        """What orders two totals of one key."""
        return (self.revision, self.reference_version)
