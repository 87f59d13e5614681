"""What the ledger stores: desired totals per document and the postings that book them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


#: A posting in one of these states keeps its order busy: nothing else of the order is sent before it is
#: settled.
OPEN_STATUSES = (Status.PENDING, Status.IN_FLIGHT, Status.ACCEPTED, Status.UNKNOWN)


class DocumentState(StrEnum):
    """Where a document stands on its way to the ERP.

    NEW has not been routed to a system yet, WAITING waits for other documents (`waits_for`), SETTLED has nothing left
    to book, REJECTED and PARKED wait for a newer version or for a person. REVERSING is taken back as a whole, and
    REOPENING as far as its final flag, for another document that has to be corrected first.
    """

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    REVERSING = "reversing"
    REOPENING = "reopening"
    SETTLED = "settled"
    REJECTED = "rejected"
    PARKED = "parked"


class LetterState(StrEnum):
    """Where a dead letter stands. RESOLVED by a later version, REPLAYED, DISCARDED or PARKED by a person."""

    OPEN = "open"
    REPLAYED = "replayed"
    RESOLVED = "resolved"
    DISCARDED = "discarded"
    PARKED = "parked"


class Action(StrEnum):
    """What a posting does in the ERP."""

    BOOK = "book"
    REVERSE = "reverse"


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
        attributes: Everything else an ERP needs (unit, dates, work centre ...), JSON values; the newest
            counts.
        final: The document completes its operation; once posted as final it stays so.
        correlation_id: Ties together what one cause brought about.
        requires: What has to be so before it is posted, see `millrace.ledger.dependencies`.
        cancelled: The document is withdrawn: whatever its quantities say, nothing of it is wanted.
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
    requires: Sequence[Mapping[str, Json]] = ()
    cancelled: bool = False

    @property
    def operation(self) -> str:
        """Operation, from the attribute of that name; "" for a document about the whole order."""
        return str(self.attributes.get("operation") or "")

    @property
    def version(self) -> tuple[int, int]:
        """What orders two totals of one key."""
        return (self.revision, self.reference_version)


@dataclass(frozen=True, slots=True)
class Step:
    """One posting: what is sent to an ERP under one external reference. Its content never changes.

    Args:
        external_reference: uuid5 of document key and step number; under it the ERP is asked what became of
        it.
        document_key: Document that it books a part of.
        step: Running number within the document, from 1.
        action: BOOK adds `quantities`, REVERSE cancels the posting `reverses`.
        system: Name of the ERP system in the settings.
        kind: Contract name of the document.
        plant: ISA-95 Site.
        order_id: Order.
        operation: Operation of the order, or "".
        quantities: Measures that are added to what is booked; negative for a reversal.
        attributes: The document's attributes when the step was planned.
        final: It carries the operation's final flag (a reversal: takes it back).
        revision: Revision of the document that was planned.
        reference_version: Reference version of the document that was planned.
        correlation_id: Ties together what one cause brought about.
        reverses: External reference of the posting that a reversal cancels.
        reverses_document: Number that the ERP gave to that posting.
        status: State before the attempt at hand.
        attempts: Times it was sent.
        failures: Attempts and look-ups without a definite answer; what the backoff grows with.
        sent_at: When it was last sent, microseconds UTC.
        fence: Number of the claim that it was given out under.
        tier: Tier of the order's most urgent document.
    """

    external_reference: str
    document_key: str
    step: int
    action: Action
    system: str
    kind: str
    plant: str
    order_id: str
    operation: str
    quantities: Mapping[str, Decimal]
    attributes: Mapping[str, Json]
    final: bool
    revision: int
    reference_version: int
    correlation_id: str | None = None
    reverses: str | None = None
    reverses_document: str | None = None
    status: Status = Status.PENDING
    attempts: int = 0
    failures: int = 0
    sent_at: int | None = None
    fence: int = 0
    tier: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt (a posting or a look-up) made of a step.

    Args:
        step: The step that was worked on.
        status: New status; PENDING means that the ERP certainly holds nothing under the reference.
        erp_document: Number that the ERP gave.
        reason: Machine-readable reason, a bounded vocabulary.
        detail: One sentence for a person.
        next_attempt_at: Not before this, microseconds UTC; None means at once.
        failed: The attempt counts for the backoff.
    """

    step: Step
    status: Status
    erp_document: str | None = None
    reason: str | None = None
    detail: str = ""
    next_attempt_at: int | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record, total or posting that was given up; fields as in the DeadLetter contract.

    Args:
        event_id: Identity; the same letter put twice is one letter, the higher revision stays.
        event_time: When it was given up, microseconds UTC.
        plant: ISA-95 Site, "" where the record could not be read.
        source: Flow or poster that gave it up.
        kind: RECORD, TOTAL or POSTING.
        reason: Machine-readable reason.
        detail: One sentence for a person that names the field or key.
        topic: Topic or file it came from.
        partition: Partition; 0 for a file.
        offset: Offset, or line of the file.
        payload: The record as read, or the document as JSON.
        document_key: Document it concerns, for TOTAL and POSTING.
        revision: Revision of that document; 0 for a record.
        events: Events it stands for.
        sequence: The record's own number, if any.
        correlation_id: Ties together what one cause brought about.
        error_class: What kind of fault it is: transport, mapping, partner_data or application.
        owner: Who answers for the flow.
        state: Where it begins: OPEN, or PARKED with its posting.
    """

    event_id: str
    event_time: int
    plant: str
    source: str
    kind: str
    reason: str
    detail: str
    topic: str = ""
    partition: int = 0
    offset: int = 0
    payload: bytes = b""
    document_key: str | None = None
    revision: int = 0
    events: int = 1
    sequence: int | None = None
    correlation_id: str | None = None
    error_class: str = "application"
    owner: str = ""
    state: LetterState = LetterState.OPEN
