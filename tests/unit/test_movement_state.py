"""The state of goods movements is bounded: what left the correction horizon leaves, what still waits stays."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest

from operators.backflush import Policy
from operators.backflush_rules import BackflushRules, PolicyRule, Where
from operators.clock import Tick
from operators.consumption import totals
from operators.movement_documents import MovementConfig, MovementDocuments, MovementsOutput
from operators.movement_open import OPEN, ORDER_UNKNOWN, SERIALISED, OpenMovements
from operators.movement_reference import MovementReference, MovementReferenceLane
from operators.movement_totals import MovementTotals
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from schemas.contracts import contract
from schemas.types import polars_schema
from tests.flows.memory import START
from tests.flows.movement_memory import component, confirmed, material, order, used

HOUR = 3_600_000_000
BEGIN = int(START.timestamp() * 1_000_000)
ALL = BackflushRules([PolicyRule(Where(), Policy.ALL)])


def reference(**records: list[dict]) -> MovementReference:
    """Records by contract as the lane hands them on."""
    output, lane = MovementReference(), MovementReferenceLane({}, {})
    for name, rows in records.items():
        lane.accept(output, name, pl.DataFrame(rows, schema=polars_schema(contract(name))))
    return output


def shard(*given: MovementReference | Tick) -> tuple[MovementDocuments, MovementsOutput]:
    documents, output = MovementDocuments(MovementConfig(ALL)), MovementsOutput()
    for value in given:
        documents.batch([value], output)
    return documents, output


def test_confirmations_and_ended_orders_leave_the_state_after_the_horizon() -> None:
    ended = order(component("STEEL"), status="COMPLETED")
    known = reference(Material=[material()], WorkOrder=[ended], ProductionConfirmation=[confirmed(10, 5)])
    documents, output = shard(known, Tick(BEGIN + 30 * HOUR, BEGIN + 6 * HOUR))
    assert sum(frame.height for frame in output.movements) == 1
    state = documents.backflush
    assert (state.confirmed.height, state.orders.height, state.bill.height) == (0, 0, 0)


def test_an_order_that_runs_stays_with_its_bill() -> None:
    known = reference(Material=[material()], WorkOrder=[order(component("STEEL"))])
    documents, _ = shard(known, Tick(BEGIN + 30 * HOUR, BEGIN + 6 * HOUR))
    assert documents.backflush.bill.height == 1


def test_a_confirmation_that_waits_for_its_order_is_told_once_and_leaves_with_the_horizon() -> None:
    documents, output = shard(
        reference(ProductionConfirmation=[confirmed(10, 5)]),
        Tick(BEGIN, BEGIN - 24 * HOUR),
        Tick(BEGIN + 2 * HOUR, BEGIN - 22 * HOUR),
        Tick(BEGIN + 3 * HOUR, BEGIN - 21 * HOUR),
    )
    assert [item["reason"] for item in output.given_up] == [ORDER_UNKNOWN]
    assert documents.backflush.confirmed.height == 1
    documents.batch([Tick(BEGIN + 30 * HOUR, BEGIN + 6 * HOUR)], output)
    documents.batch([Tick(BEGIN + 32 * HOUR, BEGIN + 8 * HOUR)], output)
    assert (len(output.given_up), documents.open.items.height, documents.backflush.confirmed.height) == (1, 0, 0)


def test_windows_leave_their_slot_after_the_horizon() -> None:
    slot, book = MovementTotals(), CalendarBook([], utc_calendar())
    rows = pl.DataFrame([used(1), used(2, 700)], schema=polars_schema(contract("MaterialConsumption")))
    rows = rows.with_columns(origin=pl.lit(0, pl.Int32), offset=pl.int_range(pl.len(), dtype=pl.Int64))
    slot.add(totals(rows, Window.parse("10m"), book))
    due = slot.tick(BEGIN + HOUR, BEGIN - HOUR)
    assert due is not None
    assert (due.height, len(slot.snapshot()["windows"])) == (2, 2)
    assert slot.tick(BEGIN + 2 * HOUR, BEGIN + 600_000_000) is None
    assert len(slot.snapshot()["windows"]) == 1


def item(number: int, reason: str = ORDER_UNKNOWN, revision: int = 1) -> pl.DataFrame:
    row = {**dict.fromkeys(OPEN, ""), "document_key": f"d{number}", "source": f"s{number}", "reason": reason}
    measures = {"quantity": Decimal(1), "revision": revision, "events": revision, "newest": number}
    return pl.DataFrame([{**row, **measures}], schema=OPEN)


def put(items: OpenMovements, row: pl.DataFrame, watermark: int) -> None:
    items.replace(row["source"], row, watermark)


def test_open_items_beyond_the_most_are_given_up_and_nothing_is_lost() -> None:
    items = OpenMovements(wait=HOUR, most=2)
    for number in range(5):
        put(items, item(number), BEGIN + number)
    assert [each["document_key"] for each in items.give_up(BEGIN + 5, 0)] == ["d0", "d1", "d2"]
    assert items.items["document_key"].to_list() == ["d3", "d4"]


@pytest.mark.parametrize(("reason", "times"), [(SERIALISED, 2), (ORDER_UNKNOWN, 0)])
def test_what_nothing_mends_is_told_at_once_and_again_when_it_grows(reason: str, times: int) -> None:
    items, told = OpenMovements(wait=HOUR, most=10), 0
    for revision in (1, 1, 2):
        put(items, item(1, reason, revision), BEGIN)
        told += len(items.give_up(BEGIN + revision, 0))
    assert told == times


def test_what_was_mended_is_open_no_more() -> None:
    items = OpenMovements(wait=HOUR, most=10)
    put(items, item(1), BEGIN)
    items.replace(pl.Series(["s1"]), item(1).clear(), BEGIN)
    assert items.give_up(BEGIN + 2 * HOUR, 0) == []


def test_a_shard_goes_on_from_its_snapshot() -> None:
    """With what it knew and what was open."""
    first, _ = shard(reference(ProductionConfirmation=[confirmed(10, 5)], Material=[material()]))
    second, output = MovementDocuments(MovementConfig(ALL)), MovementsOutput()
    second.restore(first.snapshot())
    second.batch([reference(WorkOrder=[order(component("STEEL"))])], output)
    (made,) = output.movements
    assert made["quantity"].to_list() == [20]
    assert second.open.items.height == 0
    assert made["last_event_time"].to_list() == [START + timedelta(minutes=10)]
