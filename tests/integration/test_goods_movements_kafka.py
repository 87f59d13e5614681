"""The flow of goods movements on a real broker, killed and started again."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.flows.movement_memory import component, confirmed, material, order, used
from tests.integration.movement_process import MovementProcess
from tests.servers import Kafka

pytestmark = pytest.mark.server


@pytest.fixture
def flow(kafka: Kafka, tmp_path: Path) -> Iterator[MovementProcess]:
    made = MovementProcess(kafka, tmp_path, backflush=[{"component": "BF-*", "policy": "all"}])
    yield made
    made.close()


def bookings(first: int, count: int) -> list[dict[str, Any]]:
    """One kilogram a minute from each of three lines."""
    return [
        used(number, number * 60, source=f"line-{line}", quantity=Decimal(1))
        for number in range(first, first + count)
        for line in range(3)
    ]


def test_movements_are_booked_once_though_the_flow_is_killed_and_records_come_twice(
    flow: MovementProcess, tmp_path: Path
) -> None:
    """Totals, history and dead letters are those of the distinct records, whatever a life had read already."""
    flow.send("Material", [material(), material("BF-1", base="C62")])
    flow.send("WorkOrder", [order(component("BF-1", 4, unit="C62"))])
    flow.send("MaterialConsumption", bookings(1, 20))
    flow.send("ProductionConfirmation", [confirmed(10, 3)])
    flow.start()
    flow.wait_for({("ISSUE", "STEEL"): Decimal(60), ("ISSUE", "BF-1"): Decimal(40)})
    flow.send("MaterialConsumption", [*bookings(15, 16), used(1, 600, source="line-9", serials=["S1"])])
    flow.kill()
    flow.send("ProductionConfirmation", [confirmed(10, 3), confirmed(12, 5)])
    flow.start()
    flow.wait_for({("ISSUE", "STEEL"): Decimal(90), ("ISSUE", "BF-1"): Decimal(48)})
    assert flow.drain() == 0
    assert flow.dead_letters() == {"serialised_material": 1}
    files = sorted((tmp_path / "history").rglob("*.parquet"))
    rows = pl.concat([pl.read_parquet(file, hive_partitioning=False).select("event_id") for file in files])
    assert rows.height == rows["event_id"].n_unique() == 91
