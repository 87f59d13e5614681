"""Documents: totals meet reference data, wait, complete, and are given up."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import polars as pl

from operators.confirmations import QUANTITIES
from operators.document_keys import late_place
from operators.documents import DocumentConfig, Documents, DocumentsOutput
from operators.partials import INSTANT, QUANTITY
from operators.reference_lane import ReferenceOutput
from operators.references import order_operations
from operators.routes import adjustments, partial_totals
from operators.shifts import CalendarBook, utc_calendar
from operators.totals import Totals
from operators.windows import Window
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from sinks.ledger import document_records
from tests.property.stand_in import HOUR, START, Record, cycle, frame, order, report

CALENDAR = CalendarBook([], utc_calendar())
LATER = START + 10 * HOUR


class World:
    """One slot and one shard."""

    def __init__(self, window: str = "1h", **values: Any) -> None:
        self.window = Window.parse(window)
        self.totals = Totals(self.window)
        self.documents = Documents(DocumentConfig(self.window, hold=False, **values))

    def rows(self, *records: Record) -> pl.DataFrame:
        name = "OperationReport" if "completed" in records[0] else "MachineCycle"
        origin = [pl.lit(65536, pl.Int32).alias("origin"), pl.int_range(pl.len()).alias("offset")]
        return frame(name, records).with_columns(origin)

    def count(self, *records: Record, at: int = LATER) -> DocumentsOutput:
        rows = self.rows(*records)
        name = "OperationReport" if "completed" in records[0] else "MachineCycle"
        self.totals.add(partial_totals(name, rows, self.window, CALENDAR))
        output, closed = DocumentsOutput(), self.totals.tick(at, 0)
        if closed is not None:
            self.documents.closed(closed, output)
        return output

    def late(self, *records: Record) -> DocumentsOutput:
        output = DocumentsOutput()
        rows = adjustments("MachineCycle", "machine-cycle", self.rows(*records), self.window, CALENDAR)
        self.documents.late(rows, output)
        return output

    def know(self, *orders: Record) -> DocumentsOutput:
        output = DocumentsOutput()
        self.documents.reference(ReferenceOutput(order_operations(frame("WorkOrder", orders))), output)
        return output

    def tick(self, watermark: int, frontier: int = 0) -> DocumentsOutput:
        output = DocumentsOutput()
        self.documents.tick(watermark, frontier, output)
        return output


def documents(output: DocumentsOutput) -> list[Record]:
    return [row for part in output.confirmations for row in part.to_dicts()]


def yields(output: DocumentsOutput) -> list[Decimal]:
    return [row["quantity_yield"] for row in documents(output) if row["event_count"]]


def test_a_total_waits_for_its_order_and_goes_on_once() -> None:
    world = World()
    assert documents(world.count(cycle("A", 1, 0))) == []
    assert yields(world.know(order("OTHER"))) == []
    assert yields(world.know(order("O1"))) == [Decimal(1)]
    assert world.documents.waiting.rows.height == 0


def test_a_total_of_which_nothing_is_left_can_be_published() -> None:
    """What a timeline announced for a while and took back leaves revisions without any event, and so without times."""
    world = World()
    world.know(order("O1"))
    rows = world.rows(cycle("A", 1, 0))
    taken_back = partial_totals("MachineCycle", rows, world.window, CALENDAR).with_columns(
        pl.lit(0, pl.Int64).alias("events"),
        *(pl.lit(None).cast(INSTANT).alias(name) for name in ("first_time", "last_time")),
        *(pl.lit(0).cast(QUANTITY).alias(name) for name in QUANTITIES),
    )
    world.totals.add(taken_back)
    output, closed = DocumentsOutput(), world.totals.tick(LATER, 0)
    assert closed is not None
    world.documents.closed(closed, output)
    (row,) = documents(output)
    assert (row["first_event_time"], row["last_event_time"]) == (row["window_start"], row["window_end"])
    codec = Codec(contract("ProductionConfirmation"), FolderSchemas())
    assert len(codec.encode(document_records(output.confirmations[0], "confirmations"))) == 1


def test_a_total_given_up_names_its_order_and_heals_when_the_order_comes() -> None:
    world = World()
    world.tick(LATER)
    world.count(cycle("A", 1, 0))
    assert world.tick(LATER + HOUR // 2).given_up == []
    (letter,) = world.tick(LATER + HOUR).given_up
    assert (letter["order_id"], letter["reason"], letter["revises"]) == ("O1", "order_unknown", 1)
    assert world.tick(LATER + 2 * HOUR).given_up == []
    assert yields(world.know(order("O1"))) == [Decimal(1)]


def test_a_total_that_came_before_time_has_passed_waits_its_time() -> None:
    world = World()
    world.count(cycle("A", 1, 0))
    assert world.tick(START + HOUR // 2).given_up == []
    assert len(world.tick(START + 2 * HOUR).given_up) == 1


def test_too_many_that_wait_are_given_up_document_by_document() -> None:
    world = World(most_waiting=3)
    for number, name in enumerate(("A", "B")):
        world.tick(LATER + number)
        scrap = [
            cycle("S", 10 * number + n, 0, order_id=name, quantity_scrap=Decimal(1), scrap_reason=r)
            for n, r in enumerate(("X", "Y"))
        ]
        world.count(*scrap)
    (letter,) = world.tick(LATER + 2).given_up
    assert (letter["order_id"], letter["quantity_scrap"], letter["revises"]) == ("A", Decimal(2), 2)
    assert set(world.documents.waiting.rows["order_id"]) == {"B"}


def test_a_total_without_job_is_told_apart_from_an_unknown_order() -> None:
    world = World()
    world.count(cycle("A", 1, 0, order_id=""), cycle("A", 2, 0, order_id="O9"))
    reasons = {letter["order_id"]: letter["reason"] for letter in world.tick(START + 9 * HOUR).given_up}
    assert reasons == {"": "no_active_job", "O9": "order_unknown"}


def test_the_profile_chooses_between_two_counts_and_never_adds_them() -> None:
    for source, expected in (("MACHINE", Decimal(1)), ("OPERATOR", Decimal(5))):
        world = World()
        world.know(order("O1", count_source=source, time_source="OPERATOR"))
        world.count(cycle("A", 1, 0, work_center="W"), at=0)
        said = report("T", 1, 0, work_center="W", quantity_yield=Decimal(5), setup_time=Decimal(60))
        (document,) = [row for row in documents(world.count(said)) if row["event_count"]]
        assert (document["quantity_yield"], document["setup_time"]) == (expected, Decimal(60))
        assert document["revision"] == 2


def test_a_higher_version_of_the_order_supersedes_at_the_same_revision() -> None:
    world = World()
    world.know(order("O1"))
    world.count(cycle("A", 1, 0))
    output = world.know(order("O1", 2, count_source="OPERATOR"))
    closed = world.totals.touch(pl.DataFrame({"plant": ["P1"], "order_id": ["O1"]}))
    assert closed is not None
    world.documents.closed(closed, output)
    (document,) = [row for row in documents(output) if row["event_count"]]
    assert (document["revision"], document["reference_version"], document["quantity_yield"]) == (
        1,
        2,
        Decimal(0),
    )
    assert yields(world.know(order("O1", 1))) == []


def test_corrections_below_zero_are_confirmed_as_nothing_and_told() -> None:
    world = World()
    world.know(order("O1"))
    output = world.count(cycle("A", 1, 0, quantity_good=Decimal(-5)))
    assert yields(output) == [Decimal(0)]
    assert [alert["kind"] for alert in output.alerts] == ["negative_total"]
    assert yields(world.count(cycle("A", 2, 1, quantity_good=Decimal(7)))) == [Decimal(2)]
    scrap = world.count(cycle("A", 3, 2, quantity_scrap=Decimal(-1), scrap_reason="X"))
    assert documents(scrap)[0]["scrap"] == []


def test_units_are_converted_exactly_and_wait_for_their_conversion() -> None:
    world = World()
    world.know(order("O1", unit="C62"))
    world.count(cycle("A", 1, 0, unit="BX", quantity_good=Decimal("0.333333")), cycle("A", 2, 0))
    material = {"plant": "P1", "material": "M1", "version": 1, "base_unit": "C62"}
    box = {"unit": "BX", "numerator": Decimal(12), "denominator": Decimal(1)}
    output = DocumentsOutput()
    world.documents.reference(ReferenceOutput(materials=[{**material, "conversions": [box]}]), output)
    assert yields(output) == [Decimal("4.999996")]


def test_reaching_the_target_is_final_once_and_a_correction_takes_it_back() -> None:
    world = World()
    world.know(order("O1", target_quantity=Decimal(3)))
    assert not any(row["is_final"] for row in documents(world.count(cycle("A", 1, 0))))
    done = documents(world.count(cycle("A", 2, 0, quantity_good=Decimal(3))))
    assert [(row["is_final"], row["over_delivery"], row["revision"]) for row in done if not row["event_count"]] == [
        (True, Decimal("0.7"), 2)
    ]
    taken = documents(world.count(cycle("A", 3, 0, quantity_good=Decimal(-2))))
    assert [(row["is_final"], row["revision"]) for row in taken if not row["event_count"]] == [(False, 3)]


def test_a_completion_is_held_until_its_state_is_durable() -> None:
    world = World()
    world.documents = Documents(DocumentConfig(world.window, hold=True))
    world.know(order("O1", target_quantity=Decimal(1)))
    assert not any(row["is_final"] for row in documents(world.count(cycle("A", 1, 0))))
    state = pickle.loads(pickle.dumps(world.documents.snapshot()))  # noqa: S301
    restored = Documents(DocumentConfig(world.window, hold=True))
    restored.restore(state)
    for life in (world.documents, restored):
        output = DocumentsOutput()
        life.release(output)
        assert [row["is_final"] for row in documents(output)] == [True]


def test_a_late_addition_is_a_document_of_its_own_place() -> None:
    world = World()
    world.know(order("O1"))
    late = documents(world.late(cycle("A", 1, 0), cycle("A", 2, 0)))
    assert {late_place(row["document_key"]) for row in late} == {("machine-cycle", 0, 0), ("machine-cycle", 0, 1)}
    assert all(row["adjustment"] and row["revision"] == 1 for row in late)


def test_hostile_names_make_different_keys() -> None:
    world = World()
    names = ("O|1", "O%7C1", "O\n1", "O\x001", "Ö", "")
    world.know(*(order(name) for name in names if name))
    output = world.count(*(cycle("A", n, 0, order_id=name) for n, name in enumerate(names)))
    assert len({row["document_key"] for row in documents(output)}) == 5


def test_an_order_that_ended_is_forgotten_after_its_horizon_and_not_before() -> None:
    """A backlog read long after an order's end still finds it."""
    world = World()
    world.know(order("O1", status="COMPLETED"))
    world.tick(START, START - HOUR)
    assert yields(world.count(cycle("A", 1, 0))) == [Decimal(1)]
    world.tick(START + 40 * HOUR, START + 20 * HOUR)
    assert world.documents.references.orders.height == world.documents.progress.height == 0


def test_an_open_operation_waits_as_long_as_it_takes_and_is_announced_at_the_end() -> None:
    world = World(window="operation")
    world.know(order("O1"))
    assert yields(world.count(cycle("A", 1, 0))) == []
    assert world.tick(START + 500 * HOUR).given_up == []
    output = DocumentsOutput()
    world.documents.flush(output)
    assert yields(output) == [Decimal(1)]
    assert output.given_up == []
