"""SIGTERM amid a long backlog on a real broker: reading ends, what was read is judged, the next start goes on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from bench.consumption import OPENING, ConsumptionTopic, fill
from dataflows.replenishment_settings import ReplenishmentSettings
from millrace.ledger import Ledger, stock_standings
from tests.integration.stock_process import StockProcess
from tests.servers import Kafka

pytestmark = pytest.mark.server
SPEC = ConsumptionTopic(records=100_000, places=1_000, partitions=2, rate=500.0)
TOPICS = {"MaterialConsumption": "consumption", "InventoryBalance": "balances", "Material": "materials"}
MATERIAL = "M0000000"


@pytest.fixture
def flow(kafka: Kafka, tmp_path: Path) -> Iterator[StockProcess]:
    topics = {name: kafka.create_topic(f"drained-{end}", 2) for name, end in TOPICS.items()}
    fill(kafka.bootstrap, "drained", SPEC)
    without = [name for name in ReplenishmentSettings.events if name not in topics]
    more = {"age_days": 4000, "future_s": 1e9, "publish": False, "history": None}
    made = StockProcess(kafka, tmp_path, "drained1", topics=topics, without=without, batch=1_000, **more)
    yield made
    made.close()


def test_a_drain_amid_a_backlog_ends_with_what_was_read(flow: StockProcess) -> None:
    flow.start()
    flow.wait(lambda: flow.read() > 0, "the first records")
    at_the_signal = flow.read()
    assert flow.drain() == 0
    drained = flow.read()
    assert at_the_signal <= drained < SPEC.records, "it read the backlog to its end"
    flow.start()
    flow.wait(lambda: flow.read() == SPEC.records, "all records, none of them twice")
    flow.wait(lambda: _on_hand(flow) == _left(), "all of them judged")
    assert flow.drain() == 0


def _on_hand(flow: StockProcess) -> Decimal:
    """Of all places of a material, as the flow shows it."""
    with Ledger(flow.ledger_url, who="test") as ledger:
        entries = ledger.ask(lambda connection: stock_standings.of_material(connection, MATERIAL))
    shown = [each["content"] for each in entries if each["name"].startswith("stock|")]
    return sum((Decimal(each["on_hand"]) for each in shown), Decimal(0))


def _left() -> Decimal:
    """By plain addition."""
    of_material = (
        amounts[[SPEC.place(place)["material"] == MATERIAL for place in places.tolist()]].sum()
        for _, places, amounts in SPEC.taken()
    )
    return 10 * OPENING - Decimal(int(sum(of_material)))
