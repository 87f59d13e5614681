"""The history of consumption through the rules of goods movements again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataflows.master_data import MasterData
from dataflows.replay import Replay
from dataflows.replay_compare import compare_with
from dataflows.replay_flows import REPLAYABLE, replayable
from dataflows.replay_range import Range
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from operators.shifts import CalendarBook, utc_calendar
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.ledger import LedgerSink
from tests.flows import movement_memory as movements
from tests.flows.memory import Script, batch
from tests.flows.replay_case import BEGIN, HOUR, in_ledger

FLOW = replayable("goods-movements")


def ran(folder: Path) -> Any:
    """Settings of a flow that has run over twelve hours of consumption, some of it of no order."""
    url = f"sqlite:///{folder}/ledger.db"
    settings = movements.settings(history=folder / "history", ledger=url)
    rows = [movements.used(n, n * 300.0, order_id=("" if n % 7 == 0 else f"O{n // 30}")) for n in range(144)]
    polls = [batch("MaterialConsumption", rows[at : at + 20], 0, at) for at in range(0, len(rows), 20)]
    sink: Any = LedgerSink(url, settings.flow).build("ledger", 0, 1)

    class Into(movements.Book):
        def take(self, items: list[Any]) -> None:
            sink.write_batch(items)

    movements.run(
        settings, Script([polls], [batch("Material", [movements.material()], 0, 0)]), Into(), folder / "state"
    )
    sink.close()
    return settings


def compared(folder: Path, settings: Any, wanted: Range, **factors: tuple[int, int]) -> Any:
    frame = pl.DataFrame([movements.material(**factors)], schema=polars_schema(contract("Material")))
    known = MasterData([("Material", frame)], CalendarBook([], utc_calendar()))
    made = Replay(FLOW, settings, wanted, known, folder / "replay")
    made.plan()
    made.compute()
    with Ledger(settings.ledger) as ledger:
        return compare_with(ledger, made)


@pytest.mark.parametrize("wanted", [Range(), Range(BEGIN + HOUR, BEGIN + 5 * HOUR), Range(orders=("O2",))])
def test_a_replay_of_movements_changes_nothing(wanted: Range, tmp_path: Path) -> None:
    settings = ran(tmp_path)
    found = compared(tmp_path, settings, wanted)
    assert (found.changes, found.same > 10) == ([], True)
    assert found.same == len(in_ledger(settings)) or not wanted.whole


def test_what_is_not_reported_any_more_is_withdrawn(tmp_path: Path) -> None:
    """The material is declared as one with serial numbers, which a person posts."""
    settings = ran(tmp_path)
    changed = settings.model_copy(
        update={"serialised": movements.settings(serialised=[{"component": "STEEL"}]).serialised}
    )
    found = compared(tmp_path, changed, Range())
    assert {(change.kind, change.held) for change in found.changes} == {("withdrawn", None)}
    assert sum(row["difference"] for change in found.changes for row in change.differences()) == Decimal(-288)


def test_a_flow_that_can_not_be_replayed_is_named() -> None:
    with pytest.raises(Misconfigured, match=f"there is: {', '.join(REPLAYABLE)}"):
        replayable("forwarding")
