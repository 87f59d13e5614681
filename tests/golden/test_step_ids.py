"""Step ids of flows as running plants have them in their recovery stores: a changed one forgets its state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource
from bytewax.visualize import to_rendered

from dataflows import goods_movements
from dataflows.confirmations import wire
from dataflows.movement_settings import GoodsMovementsSettings
from dataflows.settings import ConfirmationsSettings
from operators.shifts import CalendarBook, utc_calendar

GOLDEN = Path(__file__).with_name("step_ids.txt")
STATEFUL = {"input", "output", "stateful_batch"}


class Named(TestingSource[Any]):
    """A source whose partition has another name."""

    def __init__(self) -> None:
        super().__init__([])

    def list_parts(self) -> list[str]:
        return ["reference"]


def confirmations() -> Dataflow:
    """The flow with both of its sinks, over sources that give nothing."""
    lanes: Any = TestingSource([])
    orders: Any = Named()
    sinks: dict[str, Any] = {"ledger": TestingSink([]), "topics": TestingSink([])}
    settings = ConfirmationsSettings(default_zone="UTC")
    calendar = CalendarBook([], utc_calendar())
    return wire(settings, lanes, orders, calendar, sinks, ["lane-00"], hold=True)


def movements() -> Dataflow:
    """The flow of goods movements, likewise."""
    lanes: Any = TestingSource([])
    references: Any = Named()
    sinks: dict[str, Any] = {"ledger": TestingSink([]), "topics": TestingSink([])}
    settings = GoodsMovementsSettings(default_zone="UTC")
    calendar = CalendarBook([], utc_calendar())
    return goods_movements.wire(settings, lanes, references, calendar, sinks, ["lane-00"])


def steps(operators: Sequence[Any]) -> Iterator[str]:
    """Steps that keep state or a position, `type id`, outermost first."""
    for operator in operators:
        if operator.op_type in STATEFUL:
            yield f"{operator.op_type} {operator.step_id}"
        yield from steps(operator.substeps)


def test_no_step_that_keeps_state_changed_its_id() -> None:
    """A change makes running flows start from nothing: give them a way before the golden file follows."""
    flows = (confirmations(), movements())
    found = sorted(step for flow in flows for step in steps(to_rendered(flow).substeps))
    assert found == GOLDEN.read_text().splitlines()
