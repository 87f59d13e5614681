"""Rows wait under a key of their own, so that stock is written when it is judged and not with every poll."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from operators import replenishment_arrivals
from operators.replenishment_arrivals import Arrivals, Arrived
from operators.replenishment_rows import MOVEMENTS
from operators.replenishment_streaming import ShardLogic
from operators.screen import NO_PROGRESS
from operators.stock_moved import MOVED
from tests.flows import stock_memory
from tests.flows.stock_records import balance, issue

MINUTE = 60_000_000
NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()) * 1_000_000


def row(number: int) -> pl.DataFrame:
    told = ("P1", "STEEL", "R1", f"consumption|{number}", "issue", NOON + number, "KGM", Decimal(1))
    return pl.DataFrame([told], schema=MOVED, orient="row")


def names(arrived: Arrived | None) -> list[str]:
    assert arrived is not None
    return [name for kind, rows in arrived.rows for name in rows["movement_id"] if kind == MOVEMENTS]


def test_rows_wait_until_an_instant_can_be_judged() -> None:
    arrivals = Arrivals(MINUTE)
    arrivals.take(MOVEMENTS, row(1))
    assert arrivals.tick(NO_PROGRESS) is None
    first = arrivals.tick(NOON)
    assert names(first) == ["consumption|1"]
    arrivals.take(MOVEMENTS, row(2))
    arrivals.take(MOVEMENTS, row(3))
    assert [arrivals.tick(NOON + second * 1_000_000) for second in range(1, 60)] == [None] * 59
    assert names(arrivals.tick(NOON + MINUTE)) == ["consumption|2", "consumption|3"]
    assert names(arrivals.tick(NOON + 2 * MINUTE)) == [], "stock hears of every instant: deadlines pass without rows"


def test_stock_hears_once_more_when_what_it_announced_is_durable() -> None:
    """In the same epoch the snapshot does not stand yet."""
    arrivals = Arrivals(MINUTE)
    assert arrivals.tick(NOON) is not None
    assert arrivals.tick(NOON + 1) is None
    arrivals.snapshot()
    released = arrivals.tick(NOON + 2)
    assert released is not None
    assert (released.rows, released.materials, released.watermark) == ([], [], NOON + 2)
    arrivals.snapshot()
    assert arrivals.tick(NOON + 3) is None


def test_a_restored_one_hands_on_what_waits_at_once_and_lets_stock_release() -> None:
    """Before the crash stock may have announced something that was held, or left instants to judge."""
    arrivals = Arrivals(MINUTE)
    arrivals.tick(NOON)
    arrivals.take(MOVEMENTS, row(1))
    arrivals.material([{"plant": "P1", "material": "STEEL"}])
    state = arrivals.snapshot()
    again = Arrivals(MINUTE)
    again.restore(state)
    given = again.tick(NOON + 1)
    assert names(given) == ["consumption|1"]
    assert given is not None
    assert given.materials == [{"plant": "P1", "material": "STEEL"}]
    assert again.tick(NOON + 2) is None
    again.snapshot()
    assert again.tick(NOON + 3) is not None, "what stock has judged in the first epoch is durable now"
    assert again.tick(NOON + 4) is None


def test_too_many_rows_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replenishment_arrivals, "MOST", 2)
    arrivals = Arrivals(MINUTE)
    arrivals.tick(NOON)
    for number in range(2):
        arrivals.take(MOVEMENTS, row(number))
    assert arrivals.tick(NOON + 1) is None
    arrivals.take(MOVEMENTS, row(2))
    assert len(names(arrivals.tick(NOON + 2))) == 3


@pytest.mark.parametrize("direct", [False, True])
def test_stock_is_written_by_the_minute_and_not_by_the_poll(
    direct: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control hands on what comes as it comes, as a flow without this step would."""
    written = 0
    snapshot = ShardLogic.snapshot

    def counted(self: ShardLogic) -> dict[str, Any]:
        nonlocal written
        written += 1
        return snapshot(self)

    monkeypatch.setattr(ShardLogic, "snapshot", counted)
    if direct:
        monkeypatch.setattr(Arrivals, "tick", handed_on_at_once)
    heard = stock_memory.Heard()
    records = [balance(0, 160), *(issue(n, n / 20, 1) for n in range(1, 100))]
    stock_memory.run(stock_memory.settings(), [stock_memory.polled(records)], heard, tmp_path / "state")
    assert heard.signals[-1]["on_hand"] == 160 - 99
    assert (written > 100) == direct, f"{written} snapshots over 100 polls of five minutes"


def handed_on_at_once(arrivals: Arrivals, watermark: int) -> Arrived:
    arrivals._watermark = watermark
    return arrivals.given()
