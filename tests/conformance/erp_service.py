"""What the suite must know about a connector: an ERP to talk to in this process, and its ways of saying no.

Each registered connector has `tests/conformance/erps/<connector>.py` with one class `Erp(ErpService)`. The
suite makes a new one for each test, puts it behind a transport that plays faults, and compares what the ERP
holds in the end with what was wanted.
"""

from __future__ import annotations

import asyncio
import importlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

import httpx

from millrace.ledger import DesiredDocument


@dataclass(frozen=True, slots=True)
class Booking:
    """One effect in the ERP, read from the ERP.

    Args:
        reference: What it holds of the step's external reference.
        amount: What it adds to the document's total; negative for a reversal.
        ids: What it holds of the document's ids, by the names in `ErpService.id_fields`.
    """

    reference: str
    amount: Decimal
    ids: Mapping[str, str] = field(default_factory=dict)


class ErpService(ABC):
    """The ERP of one connector.

    Args:
        sleep: Waits by the test's clock, which only moves when told to.
    """

    #: Root of the service. No such host exists: nothing but `transport()` may be asked.
    base_url: ClassVar[str] = "https://erp.test/api"
    #: Options of the connector.
    options: ClassVar[Mapping[str, Any]] = {}
    #: Parameters of `document` that end up in the ERP as ids, and the ERP's names of them: a document with an
    #: id that cannot be sent is rejected by that name.
    id_fields: ClassVar[Mapping[str, str]] = {}
    #: Whether a document that was booked too high is reversed; else a person is asked.
    reverses: ClassVar[bool] = True
    #: Whether the ERP can be asked for an external reference; else what is unknown is parked.
    can_be_asked: ClassVar[bool] = True

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.sleep = sleep

    @abstractmethod
    def transport(self) -> httpx.AsyncBaseTransport:
        """The way to the ERP: `httpx.ASGITransport(app)`, or a client's transport to a server."""

    @abstractmethod
    def document(
        self, number: int = 1, order: str = "1000001", revision: int = 1, total: str = "5", **ids: str
    ) -> DesiredDocument:
        """A document that the connector can book, with `total` as its one measure.

        `number` makes the key: documents of one order with another number are other documents. `ids` are
        values for `id_fields`.
        """

    @abstractmethod
    def books(self, request: httpx.Request) -> bool:
        """Whether a request books or reverses; of several that make one booking, the one that takes effect."""

    @abstractmethod
    def asks(self, request: httpx.Request) -> bool:
        """Whether a request looks an external reference up."""

    @abstractmethod
    def bookings(self) -> list[Booking]:
        """Everything that the ERP holds, in order of booking."""

    @abstractmethod
    def business_error(self) -> httpx.Response:
        """An answer to a booking that rejects this document alone."""

    @abstractmethod
    def lock(self) -> httpx.Response:
        """An answer to a booking that says to try again."""

    def session_expired(self) -> httpx.Response | None:
        """An answer to a booking that asks for a new session; None where there are none."""
        return None

    def reference(self, external_reference: str) -> str:
        """What the ERP holds of an external reference."""
        return external_reference

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """The test is over."""


def service_of(connector: str) -> type[ErpService]:
    """The ERP of a registered connector."""
    try:
        module = importlib.import_module(f"tests.conformance.erps.{connector}")
    except ModuleNotFoundError as missing:
        raise AssertionError(f"connector {connector!r} has no tests/conformance/erps/{connector}.py") from missing
    found: type[ErpService] = module.Erp
    return found
