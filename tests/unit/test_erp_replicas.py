"""What replicas of a poster share of an ERP system, and what each has for itself."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.conformance.erp_world import World, document

ORDERS = 30


class CutLink(httpx.AsyncBaseTransport):
    """The way to the ERP of a replica whose network is broken; counts what was tried."""

    def __init__(self) -> None:
        self.tried = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.tried += 1
        raise httpx.ConnectError("no route to host", request=request)


def test_a_replica_that_cannot_reach_the_erp_holds_up_no_other(tmp_path: Path) -> None:
    """Its breaker is its own: it is down to single probes while the other books everything, its probes' orders too."""
    link = CutLink()
    cut = World(tmp_path, transport=link, breaker_threshold=3, concurrency=5)
    sound = World(tmp_path, url=cut.url, breaker_threshold=3, concurrency=5)
    sound.want(*(document(1, f"{1000000 + n}", **{"yield": "1"}) for n in range(ORDERS)))
    assert (cut.post(), cut.post()) == (5, 0)
    before = link.tried
    while sound.ledger.unfinished():
        sound.post()
        cut.clock.advance(1)
        sound.clock.advance(1)
        cut.post()
    assert len(sound.booked()) == ORDERS
    assert 0 < link.tried - before < ORDERS, "probes, and fewer than the other has booked"
    cut.close()
    sound.close()
