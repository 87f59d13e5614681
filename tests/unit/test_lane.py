"""Lanes: what becomes of each row of a batch."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from operators.document_keys import late_place
from operators.lane import Lane, LaneConfig, LaneOutput
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.property.stand_in import HOUR, SECOND, START, TOPICS, Record, cycle, polled, report
from tests.property.stand_in import Stub as Decoder

NOW = START / SECOND + 4e6


def lane(calendar: CalendarBook | None = None, **values: Any) -> Lane:
    decoders = {topic: Decoder(name) for topic, name in TOPICS.items()}
    config = LaneConfig(TOPICS, Window.parse("10m"), **values)
    return Lane("l", config, decoders, calendar or CalendarBook([], utc_calendar()), now=lambda: NOW)


def read(of: Lane, *records: Record, topic: str = "machine-cycle", partition: int = 0, at: int = 0) -> LaneOutput:
    return of.process(polled(topic, records, partition, at))


def accounts(output: LaneOutput, name: str = "MachineCycle") -> tuple[int, int, int, int]:
    """Rows read, accepted, repeated and dead."""
    counts = output.counts
    dead = sum(count for key, count in counts.items() if key.startswith(f"dead:{name}:"))
    read_, accepted, repeated = (counts.get(f"{what}:{name}", 0) for what in ("read", "accepted", "duplicates"))
    return read_, accepted, repeated, dead


def test_wire_bytes_become_exact_totals_and_a_broken_record_a_dead_letter() -> None:
    codec = Codec(contract("MachineCycle"), FolderSchemas())
    full = dict.fromkeys(("correlation_id", "counter", "reading_event", "scrap_reason"))
    when = datetime.fromtimestamp(START / SECOND, UTC)
    records = [
        {**full, **cycle("A", 1, 0), "event_time": when, "sequence": n, "quantity_good": Decimal("0.100001")}
        for n in range(3)
    ]
    values: list[bytes | None] = [*codec.encode(records), b"\x00broken", None]
    places = (np.zeros(5, np.int32), np.arange(5), np.full(5, START // 1000))
    output = Lane(
        "l", lane().config, {"machine-cycle": codec}, CalendarBook([], utc_calendar()), now=lambda: NOW
    ).process(RawBatch("machine-cycle", values, *places))
    (partials,) = output.partials
    assert partials["quantity_yield"].to_list() == [Decimal("0.300003")]
    assert partials["events"].to_list() == [3]
    assert [dead.offset for dead in output.dead] == [3, 4]
    assert accounts(output) == (5, 3, 0, 2)


def test_every_row_read_is_accepted_repeated_or_dead() -> None:
    of = lane()
    output = read(
        of,
        cycle("A", 1, 0),
        cycle("A", 1, 0),
        cycle("A", 2, 0, event_time=START + 5000 * HOUR),
        cycle("A", 3, 0, event_time=START - 24 * 500 * HOUR),
        cycle("A", 4, 0, quantity_good=Decimal("999999999999.999999")),
    )
    assert accounts(output) == (5, 1, 1, 3)
    reasons = {dead.offset: dead.reason for dead in output.dead}
    assert reasons == {2: "future_event_time", 3: "ancient_event_time", 4: "quantity_out_of_range"}
    assert json.loads(output.dead[0].payload)["event_id"] == "A-2"


def test_a_plant_without_calendar_is_named() -> None:
    output = read(lane(CalendarBook()), cycle("A", 1, 0, plant="{nowhere}"))
    assert [(dead.reason, "{nowhere}" in dead.detail) for dead in output.dead] == [("calendar_unknown", True)]


def test_counter_readings_may_be_larger_than_any_increment() -> None:
    output = read(lane(), cycle("A", 1, 0, counting="CUMULATIVE", quantity_good=Decimal(10**11)))
    assert output.dead == []
    assert [rows["row_kind"].to_list() for rows in output.timeline] == [["reading"]]


def test_rows_without_order_go_to_the_timeline_and_the_others_do_not() -> None:
    output = read(lane(), cycle("A", 1, 0), cycle("A", 2, 0, order_id=None, operation=None))
    assert [rows["events"].sum() for rows in output.partials] == [1]
    assert [rows["row_kind"].to_list() for rows in output.timeline] == [["count"]]


def test_rows_with_neither_quantity_nor_time_make_no_total_but_times_of_a_setup_do() -> None:
    of = lane()
    assert read(of, cycle("A", 1, 0, quantity_good=Decimal(0))).partials == []
    nothing = report("T", 1, 0, quantity_yield=Decimal(0))
    setup = report("T", 2, 0, quantity_yield=Decimal(0), setup_time=Decimal(60))
    done = report("T", 3, 0, quantity_yield=Decimal(0), completed=True)
    (partials,) = read(of, nothing, setup, done, topic="operation-report").partials
    assert partials.select("events", "setup_time", "completed").rows() == [(2, Decimal(60), True)]
    assert of.counts["accepted:OperationReport"] == 3


def test_scrap_is_kept_apart_by_reason_and_a_reason_without_scrap_splits_nothing() -> None:
    one = Decimal(1)
    output = read(
        lane(),
        cycle("A", 1, 0, scrap_reason="DIM"),
        cycle("A", 2, 0),
        cycle("A", 3, 0, quantity_scrap=one, scrap_reason="DIM"),
        cycle("A", 4, 0, quantity_scrap=one),
        cycle("A", 5, 0, quantity_scrap=one, scrap_reason="SURF"),
    )
    (partials,) = output.partials
    found = {row["scrap_reason"]: row["quantity_scrap"] for row in partials.to_dicts()}
    assert found == {None: one, "DIM": one, "SURF": one}


def test_late_additions_carry_their_place_and_are_not_counted_in_a_window() -> None:
    of, late = lane(), [cycle("A", n, -30 * HOUR, order_id=f"O{n}") for n in (1, 2)]
    output = read(of, cycle("A", 9, 0), *late, partition=3, at=70)
    assert [rows["events"].sum() for rows in output.partials] == [1]
    (rows,) = output.late
    places = {late_place(f"late|{each}") for each in rows["adjustment"]}
    assert places == {("machine-cycle", 3, 71), ("machine-cycle", 3, 72)}
    assert rows["quantity_yield"].sum() == Decimal(2)
    unknown = read(of, cycle("A", 3, -30 * HOUR, order_id=None, operation=None), partition=3, at=73)
    assert [dead.reason for dead in unknown.dead] == ["beyond_horizon"]


def test_a_silent_partition_follows_the_wall_clock_from_the_next_snapshot_on() -> None:
    of = lane()
    of.expect(["machine-cycle/1"])
    of.idle_floor("machine-cycle/1", START)
    assert of.heartbeat().progress["machine-cycle/1"] < 0
    of.snapshot()
    assert of.heartbeat().progress["machine-cycle/1"] == START
    of.idle_floor("machine-cycle/1", START - 1)
    of.snapshot()
    assert of.heartbeat().progress["machine-cycle/1"] == START


def test_a_lane_goes_on_from_its_snapshot() -> None:
    of = lane()
    read(of, cycle("A", 1, 0), cycle("A", 3, 0))
    again = lane()
    again.restore(pickle.loads(pickle.dumps(of.snapshot())))  # noqa: S301
    output = read(again, cycle("A", 1, 0), cycle("A", 2, 0))
    assert accounts(output) == (4, 3, 1, 0)
