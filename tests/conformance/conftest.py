"""The bench that a connector is tested on: its ERP, the faults before it, a ledger and a poster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.ledger import DesiredDocument
from sinks.erp.registry import CONNECTORS
from tests.conformance.erp_service import ErpService, service_of
from tests.conformance.erp_world import World
from tests.conformance.faulty import Faulty


@dataclass
class Bench:
    """One connector, the ERP that it talks to, and the faults between them."""

    erp: ErpService
    world: World
    wire: Faulty

    def want(self, **more: Any) -> DesiredDocument:
        """A document that should be booked; arguments as of `ErpService.document`."""
        document = self.erp.document(**more)
        self.world.want(document)
        return document

    def books(self, request: httpx.Request) -> bool:
        """Whether a request books in the ERP; what goes elsewhere, for instance for a token, does not."""
        return self._is_for_erp(request) and self.erp.books(request)

    def asks(self, request: httpx.Request) -> bool:
        """Whether a request looks a reference up in the ERP."""
        return self._is_for_erp(request) and self.erp.asks(request)

    def _is_for_erp(self, request: httpx.Request) -> bool:
        return str(request.url).startswith(self.erp.base_url)

    def references(self) -> list[str]:
        """External references that the ERP holds, in order of booking."""
        return [booking.reference for booking in self.erp.bookings()]

    def total(self) -> Decimal:
        """What the ERP holds, reversals taken off."""
        return sum((booking.amount for booking in self.erp.bookings()), Decimal(0))

    def sent(self) -> int:
        """Requests that meant to book."""
        return sum(self.books(request) for request in self.wire.requests)

    def postings(self, document: DesiredDocument | None = None) -> list[dict[str, Any]]:
        """Postings of the document's order as the ledger has them."""
        order = (document or self.erp.document()).order_id
        return [posting for report in self.world.ledger.order_report(order) for posting in report.postings]

    def status(self) -> str:
        """Status of the only posting."""
        [posting] = self.postings()
        return str(posting["status"])

    def ends_booked_once(self, total: str = "5") -> bool:
        """Nothing lost, nothing doubled."""
        references = self.references()
        return self.status() == "booked" and self.total() == Decimal(total) and len(references) == 1


@contextmanager
def bench_of(connector: str, folder: Path, **settings: Any) -> Iterator[Bench]:
    """A bench while it is needed; `settings` are those of `World`."""
    kind = service_of(connector)
    wire = Faulty(httpx.MockTransport(lambda _: httpx.Response(500)))
    defaults = {"base_url": kind.base_url, "options": kind.options, "max_answer_bytes": 1 << 20}
    world = World(folder, transport=wire, connector=connector, **{**defaults, **settings})
    erp = kind(world.sleep)
    wire.inner = erp.transport()
    try:
        yield Bench(erp, world, wire)
    finally:
        world.close()
        erp.close()


@pytest.fixture(params=sorted(CONNECTORS))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A bench per registered connector."""
    with bench_of(request.param, tmp_path) as built:
        yield built
