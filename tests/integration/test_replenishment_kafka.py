"""The replenishment flow on a real broker, killed again and again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from millrace.ledger import Ledger
from millrace.ledger.tables import documents
from tests.flows.stock_records import balance, issue, material
from tests.integration.stock_process import StockProcess, recent
from tests.servers import Kafka

pytestmark = pytest.mark.server
MATERIALS = [f"M{number}" for number in range(4)]
ISSUES, PIECES, STOCK = 60, 20, 500
PARTS = 6


@pytest.fixture
def flow(kafka: Kafka, tmp_path: Path) -> Iterator[StockProcess]:
    made = StockProcess(kafka, tmp_path, "stock1")
    yield made
    made.close()


def issues(first: int, count: int) -> list[dict[str, Any]]:
    """Every material is used once a minute, each at a line of its own."""
    return [
        recent(issue(1000 * number + minute, minute, PIECES, material=name, source=f"L{name}"))
        for minute in range(first, first + count)
        for number, name in enumerate(MATERIALS)
    ]


def test_requests_stand_over_kills_and_the_status_shows_them(flow: StockProcess) -> None:
    """Each crossing is asked for once; what was published twice says the same; stock and history are exact."""
    flow.send("Material", [recent(material(name)) for name in MATERIALS])
    flow.send("InventoryBalance", [recent(balance(0, STOCK, material=name)) for name in MATERIALS])
    chance = random.Random(11)
    for part in range(PARTS):
        flow.send("MaterialConsumption", issues(1 + part * ISSUES // PARTS, ISSUES // PARTS))
        flow.start()
        # Any moment will do: before the first poll, between announcing and the snapshot, or after it.
        time.sleep(chance.uniform(1.0, 5.0))
        flow.kill()
    flow.start()
    whole = Decimal(STOCK - ISSUES * PIECES)
    flow.wait(lambda: flow.read() == len(MATERIALS) * ISSUES, "all issues")
    flow.wait(lambda: all(_on_hand(flow, name) == whole for name in MATERIALS), "all of them judged")
    flow.wait(lambda: all(_asked(flow, name) == _open(flow, name) for name in MATERIALS), "all requests announced")
    assert all(Decimal(flow.standing(name)["projected"]) > 100 for name in MATERIALS)
    shown = _status(flow)
    assert flow.drain() == 0
    told = defaultdict(set)
    for record in flow.sent("ReplenishmentRequest"):
        told[record["document_key"]].add((record["quantity"], record["crossed_at"], record["projected"]))
    assert len(told) > len(MATERIALS)
    assert {len(contents) for contents in told.values()} == {1}
    for name in MATERIALS:
        numbers = sorted(int(key.rpartition("|")[2]) for key in told if f"|{name}|" in key)
        assert numbers == list(range(1, len(numbers) + 1))
    assert flow.history("MaterialConsumption")["event_id"].n_unique() == len(MATERIALS) * ISSUES
    assert flow.history("MaterialConsumption").height == len(MATERIALS) * ISSUES
    projections = flow.history("StockProjection")
    assert projections["event_id"].n_unique() == projections.height
    assert {row["event_id"] for row in flow.sent("StockProjection")} >= set(projections["event_id"])
    assert Decimal(shown["stock"][0]["on_hand"]) == whole
    assert {each["request"] for each in shown["requests"]} == {key for key in told if "|M0|" in key}
    assert {each["waits_for"][0] for each in shown["requests"]} == {"posting to the ERP"}
    assert all(each["waits_for"][1].startswith("a purchase order for") for each in shown["requests"])


def _status(flow: StockProcess) -> dict[str, Any]:
    """`millrace status --material` while the flow runs."""
    command = [sys.executable, "-m", "millrace", "status", "--material", "M0", "--json", "--config", str(flow.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _on_hand(flow: StockProcess, name: str) -> Decimal | None:
    place = flow.standing(name)
    return Decimal(place["on_hand"]) if place else None


def _open(flow: StockProcess, name: str) -> Decimal:
    return Decimal(flow.standing(name)["open_requests"])


def _asked(flow: StockProcess, name: str) -> Decimal:
    """What the ledger desires of a material."""
    with Ledger(flow.ledger_url, who="test") as ledger:
        rows = ledger.ask(lambda connection: connection.execute(select(documents.c.key, documents.c.quantities)).all())
    return sum((Decimal(json.loads(text)["quantity"]) for key, text in rows if f"|{name}|" in key), Decimal(0))
