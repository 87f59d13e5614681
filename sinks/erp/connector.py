"""What a connector is: it builds requests and reads answers; the driver does everything else once.

A connector holds no state, does no I/O and never sleeps. Its file declares a pydantic model of its options,
and one line in `registry.py` makes it known; the conformance suite then runs over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from millrace.ledger.model import Step


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request below the system's base URL.

    Args:
        method: GET, POST or PATCH.
        path: Path and query below the base URL, without leading slash, already percent-encoded.
        headers: Headers besides those of session and credentials.
        body: JSON body as bytes, or None.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer.

    Args:
        status: HTTP status.
        headers: Header names in lower case.
        body: Decoded body, never longer than the system's `max_answer_bytes`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Kind(StrEnum):
    """What an answer means for the posting; sorted by how one goes on.

    BOOKED and ACCEPTED (queued, ask later) carry the ERP's number. RETRY: certainly not booked, try again
    later. RENEW: not booked because the session ran out. UNKNOWN: it may have been booked, ask before sending
    again. CONTINUE: the posting takes a further request, `Verdict.next`. ABSENT (look-up only): the ERP holds
    nothing under the reference. REJECTED: a business error that concerns this document alone. MISCONFIGURED:
    every posting would fail alike.
    """

    BOOKED = "booked"
    ACCEPTED = "accepted"
    RETRY = "retry"
    RENEW = "renew"
    UNKNOWN = "unknown"
    CONTINUE = "continue"
    ABSENT = "absent"
    REJECTED = "rejected"
    MISCONFIGURED = "misconfigured"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a connector or the transport makes of one answer.

    Args:
        kind: How to go on.
        erp_document: Number that the ERP gave, for BOOKED and ACCEPTED.
        reason: Machine-readable reason, a bounded vocabulary. REJECTED as `closed_period` is posted again in
            the plant's current period (`millrace.ledger.compensation.CLOSED_PERIOD`), as `stock_short` when stock
            arrives (`millrace.ledger.short_stock`).
        detail: One sentence for a person.
        retry_after: Seconds that the ERP asked to wait.
        outage: The system as a whole is not answering; counts for the circuit breaker.
        wait: Seconds after which an ACCEPTED document is worth another look; None: the system's `accepted_poll`.
        next: The further request, for CONTINUE.
        begun: The ERP holds a part of the posting, so that whatever comes next asks for it first.
    """

    kind: Kind
    erp_document: str | None = None
    reason: str | None = None
    detail: str = ""
    retry_after: float | None = None
    outage: bool = False
    wait: float | None = None
    next: Next | None = None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """A further request of one posting, and how to read its answer.

    A posting that takes several requests must be findable by its reference from the first one on that changes
    the ERP: after a crash between two of them the look-up finds how far it got, and says CONTINUE.
    """

    request: Request
    read: Callable[[Answer], Verdict]


class Connector(Protocol):
    """One ERP service.

    Every method may raise `Rejected` with the field it cannot send; nothing else.
    """

    #: Contract names of the documents it can book.
    kinds: ClassVar[frozenset[str]]

    def quantum(self, measure: str, attributes: Mapping[str, Any]) -> Decimal:
        """Smallest amount of the measure that the ERP holds; unit as in the document, seconds for times."""
        ...

    def split(self, amounts: Mapping[str, Decimal]) -> Sequence[Mapping[str, Decimal]]:
        """Parts of positive amounts that each fit into one document of the ERP; their sum is the whole."""
        ...

    def session(self) -> Request | None:
        """Request that opens a session, None where the service needs none."""
        ...

    def session_headers(self, answer: Answer) -> Mapping[str, str] | None:
        """Headers to send with every posting of the session, None where the answer opens none."""
        ...

    def build(self, step: Step) -> Request:
        """Request that books the step under its external reference."""
        ...

    def reverse(self, step: Step) -> Request | None:
        """Request that cancels `step.reverses_document`, None where the ERP offers no reversal."""
        ...

    def classify(self, step: Step, answer: Answer) -> Verdict:
        """What the answer to `build` or `reverse` means. Sees 2xx and 4xx except 408 and 429."""
        ...

    def lookup(self, step: Step) -> Request | None:
        """Request that asks for the step's external reference, None where the ERP cannot be asked."""
        ...

    def read_lookup(self, step: Step, answer: Answer) -> Verdict:
        """BOOKED, ACCEPTED, CONTINUE or ABSENT from the 2xx answer to `lookup`; UNKNOWN where it says nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Description:
    """What a service has told about itself.

    Args:
        connector: The connector that goes by it from now on; it knows what this release takes.
        unknown: Fields that it would send and the service does not know; they are left out.
    """

    connector: Connector
    unknown: tuple[str, ...] = ()


@runtime_checkable
class Describing(Connector, Protocol):
    """A connector whose service describes itself; it is asked once, before the first posting of a driver."""

    def describe(self) -> Request | None:
        """Request for the description, None where it is not wanted."""
        ...

    def described(self, answer: Answer) -> Description | None:
        """Read the 2xx answer to `describe`; None where it is no description.

        Raises:
            Misconfigured: The service lacks what no posting can do without.
        """
        ...


@runtime_checkable
class Countering(Connector, Protocol):
    """A connector with kinds of documents of which its ERP reverses nothing.

    What is booked too high is then given to `build` as a step of negative amounts; its `reverses` and
    `reverses_document` name the posting that it corrects.
    """

    counter_kinds: ClassVar[frozenset[str]]


class Options(BaseModel, extra="forbid", frozen=True):
    """Base of a connector's own options; unknown keys are refused."""
