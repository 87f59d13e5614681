"""Cancelled orders: what was announced is withdrawn, what comes after is told to a person, and all of it comes back."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators.documents import Documents, DocumentsOutput
from operators.frames import from_bytes, to_bytes
from operators.reference_lane import ReferenceLane
from tests.property.plant_records import Stub, polled
from tests.property.stand_in import HOUR, Record, cycle, order, report
from tests.unit.test_documents import World, documents

CANCELLED: dict[str, Any] = {"status": "CANCELLED"}


class Reader:
    """A World that hears of orders as the flow does: totals announce once more what an order touches."""

    def __init__(self, window: str = "1h", **values: Any) -> None:
        self.world = World(window, **values)
        self.lane = ReferenceLane({"work-order": "WorkOrder"}, {"work-order": Stub("WorkOrder")})

    def know(self, record: Record) -> DocumentsOutput:
        heard = self.lane.process(polled("work-order", [record], 0, 0))
        output = DocumentsOutput()
        self.world.documents.reference(heard, output)
        if (closed := self.world.totals.touch(heard.touched)) is not None:
            self.world.documents.closed(closed, output)
        return output


def shown(output: DocumentsOutput) -> list[tuple[Decimal, bool, int]]:
    rows = [row for row in documents(output) if row["event_count"]]
    return [(row["quantity_yield"], row["withdrawn"], row["reference_version"]) for row in rows]


def kinds(output: DocumentsOutput) -> list[str]:
    return [alert["kind"] for alert in output.alerts]


def standing(output: DocumentsOutput) -> list[tuple[str, int, bool]]:
    return [(row["order_id"], row["version"], row["cancelled"]) for part in output.orders for row in part.to_dicts()]


def test_a_cancelled_order_withdraws_what_was_announced_and_a_released_one_announces_it_again() -> None:
    reader = Reader()
    reader.know(order("O1"))
    reader.world.count(cycle("A", 1, 0))
    output = reader.know(order("O1", 2, **CANCELLED))
    assert shown(output) == [(Decimal(1), True, 2)]
    assert (standing(output), kinds(output)) == ([("O1", 2, True)], ["order_cancelled"])
    output = reader.know(order("O1", 3))
    assert (shown(output), standing(output), kinds(output)) == ([(Decimal(1), False, 3)], [("O1", 3, False)], [])


def test_a_change_of_an_order_that_is_not_cancelled_says_nothing_of_its_standing() -> None:
    reader = Reader()
    assert standing(reader.know(order("O1"))) == [
        ("O1", 1, False)
    ]  # it may have been cancelled before it was forgotten
    assert standing(reader.know(order("O1", 2, count_source="OPERATOR"))) == []
    assert standing(reader.know(order("O1", 3, status="COMPLETED"))) == []


def test_pieces_after_the_cancellation_are_withdrawn_at_once_and_told_once() -> None:
    reader = Reader()
    reader.know(order("O1"))
    reader.know(order("O1", 2, **CANCELLED))
    output = reader.world.count(cycle("A", 1, 0), cycle("A", 2, 0))
    assert (shown(output), kinds(output)) == ([(Decimal(2), True, 2)], ["counted_after_cancellation"])
    assert "2 C62" in output.alerts[0]["message"]
    late = reader.world.late(cycle("A", 3, -HOUR))
    assert (shown(late), kinds(late)) == ([(Decimal(1), True, 2)], [])


def test_totals_that_wait_for_an_order_that_comes_as_cancelled_are_withdrawn() -> None:
    reader = Reader()
    reader.world.count(cycle("A", 1, 0))
    output = reader.know(order("O1", 1, **CANCELLED))
    assert shown(output) == [(Decimal(1), True, 1)]
    assert reader.world.documents.waiting.rows.height == 0


def test_a_cancelled_order_without_operations_cancels_those_that_are_known() -> None:
    reader = Reader()
    reader.know(order("O1"))
    reader.world.count(cycle("A", 1, 0))
    output = reader.know({**order("O1", 2, **CANCELLED), "operations": []})
    assert (shown(output), standing(output)) == ([(Decimal(1), True, 2)], [("O1", 2, True)])
    assert shown(reader.know(order("O1", 3))) == [(Decimal(1), False, 3)]


@pytest.mark.parametrize("window", ["1h", "operation"])
def test_the_final_flag_is_withdrawn_with_its_order_and_comes_back_with_it(window: str) -> None:
    reader = Reader(window)
    reader.know(order("O1", target_quantity=Decimal(1)))
    first = documents(reader.world.count(cycle("A", 1, 0)))
    assert [(row["is_final"], row["withdrawn"]) for row in first if row["is_final"]] == [(True, False)]
    for version, status, withdrawn in ((2, "CANCELLED", True), (3, "RELEASED", False)):
        rows = documents(reader.know(order("O1", version, status=status, target_quantity=Decimal(1))))
        assert {row["document_key"] for row in rows} == {row["document_key"] for row in first}
        assert {(row["reference_version"], row["withdrawn"]) for row in rows} == {(version, withdrawn)}


def test_a_completion_that_is_held_when_its_order_is_cancelled_is_only_announced_as_withdrawn() -> None:
    reader = Reader()
    config = reader.world.documents._config
    reader.world.documents = Documents(type(config)(config.window, hold=True))
    reader.know(order("O1", target_quantity=Decimal(1)))
    reader.world.count(cycle("A", 1, 0))
    reader.world.documents.snapshot()
    reader.know(order("O1", 2, target_quantity=Decimal(1), **CANCELLED))
    reader.world.documents.snapshot()
    (completion,) = documents(reader.world.tick(0))
    assert (completion["withdrawn"], completion["reference_version"]) == (True, 2)


def test_what_was_told_of_a_cancelled_order_is_in_the_snapshot() -> None:
    reader = Reader()
    reader.know(order("O1", 2, **CANCELLED))
    assert kinds(reader.world.count(cycle("A", 1, 0))) == ["counted_after_cancellation"]
    state = pickle.loads(pickle.dumps(reader.world.documents.snapshot()))  # noqa: S301
    reader.world.documents = Documents(reader.world.documents._config)
    reader.world.documents.restore(state)
    output = reader.world.count(report("T", 1, 0), cycle("A", 2, 0))
    assert (shown(output)[0][1], kinds(output)) == (True, [])


def test_a_snapshot_from_before_orders_could_be_cancelled_is_resumed() -> None:
    reader = Reader()
    config = reader.world.documents._config
    reader.world.documents = Documents(type(config)(config.window, hold=True))
    reader.know(order("O1", target_quantity=Decimal(1)))
    reader.world.count(cycle("A", 1, 0))
    state = reader.world.documents.snapshot()
    held = from_bytes(state["held"], {"document_key": pl.String()})
    assert held.height == 1
    older = {name: value for name, value in state.items() if name != "cancelled"}
    columns = {name: kind for name, kind in _held_schema().items() if name != "withdrawn"}
    older |= {"version": 1, "held": to_bytes(from_bytes(state["held"], columns))}
    reader.world.documents = Documents(reader.world.documents._config)
    reader.world.documents.restore(older)
    (completion,) = documents(reader.world.tick(0))
    assert (completion["is_final"], completion["withdrawn"]) == (True, False)
    assert shown(reader.know(order("O1", 2, **CANCELLED))) == [(Decimal(1), True, 2)]


def _held_schema() -> dict[str, Any]:
    from operators.confirmations import CONFIRMATION

    return CONFIRMATION


def test_orders_that_are_not_cancelled_keep_the_profile_that_an_older_state_holds() -> None:
    """Or each order would be announced again after an upgrade."""
    reader = Reader()
    reader.know(order("O1"))
    (known,) = reader.lane._orders.values()
    reader.know(order("O1", 2, **CANCELLED))
    (cancelled,) = reader.lane._orders.values()
    reader.know(order("O1", 3))
    (again,) = reader.lane._orders.values()
    assert known.profile == again.profile != cancelled.profile


def test_without_the_mark_of_cancelled_orders_announced_totals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr("operators.reference_lane._WITHDRAWN", 0)
    reader = Reader()
    reader.know(order("O1"))
    reader.world.count(cycle("A", 1, 0))
    assert shown(reader.know(order("O1", 2, **CANCELLED))) == []


def test_an_order_that_names_no_operation_and_is_not_cancelled_is_passed_over() -> None:
    reader = Reader()
    assert standing(reader.know({**order("O1"), "operations": []})) == []
    assert reader.world.documents.references.orders.height == 0
