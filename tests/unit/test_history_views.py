"""Views of the history against plain sums over a simulated plant, which knows none of their rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest

from sandbox.plant import Plant
from sandbox.plant_history import accepted, compact_all, write_history
from sandbox.plant_layout import ARTICLES, WORK_CENTERS, Counter
from sinks.history.catalog import views
from sinks.history.given import GIVEN
from sinks.history.query import query, save
from sinks.history.tables import Beside, connect

START = datetime(2026, 3, 28, 13, tzinfo=UTC)
CENTERS = {center.name: center for center in WORK_CENTERS}
ARTICLE = {article.material: article for line in ARTICLES.values() for article in line}
BERLIN = ZoneInfo("Europe/Berlin")
Sums = dict[tuple[Any, ...], Decimal]


class World:
    """The night on which summer time begins in Berlin: the plant, and its history with late rows in the raw zone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plant = Plant(7, START, 17)
        self.counts = write_history(self.plant, root)
        compact_all(root, date(2026, 3, 29))
        self.events = accepted(self.plant)

    def ask(self, name: str, **parameters: str) -> list[dict[str, Any]]:
        given = views()[name].variables(parameters) if name in views() else parameters
        return query(self.root, f"SELECT * FROM {name}", given).to_dicts()  # noqa: S608

    def of(self, contract: str) -> list[dict[str, Any]]:
        return [record for name, record in self.events if name == contract]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("history"))


def truth_by_order(world: World) -> Sums:
    """What the machines themselves kept, in the order's unit, of what is counted piece by piece."""
    found: Sums = {}
    for key, operation in world.plant.truth.operations.items():
        center = CENTERS[operation.work_center]
        if operation.count_source == "OPERATOR" or center.counter is Counter.DELTA:
            count = operation.counts[operation.count_source]
            found[(*key, "good")] = count.good
            found[(*key, "scrap")] = sum(count.scrap.values(), Decimal(0))
            found[(*key, "rework")] = count.rework
    return found


def view_by_order(world: World, rows: list[dict[str, Any]]) -> Sums:
    known = {(o.order_id, o.operation): o for o in world.plant.truth.operations.values()}
    found: Sums = defaultdict(Decimal)
    for row in rows:
        operation = known.get((row["order_id"], row["operation"]))
        if operation is None or row["readings"]:
            continue
        for name in ("good", "scrap", "rework"):
            quantity = ARTICLE[operation.material].in_order_unit(row[name], row["unit"])
            found[row["order_id"], row["operation"], name] += quantity
    return dict(found)


def test_production_by_order_is_what_the_machines_kept_over_late_doubled_and_lost_records(world: World) -> None:
    assert view_by_order(world, world.ask("production_by_order")) == truth_by_order(world)


MUTATIONS: dict[str, Callable[[str], str]] = {
    "late rows of the raw zone": lambda sql: sql.replace("production_events", "events_of_days"),
    "scrap": lambda sql: sql.replace("coalesce(sum(scrap), 0)", "CAST(0 AS DECIMAL(18, 6))"),
    "that machine and operator count the same": lambda sql: sql.replace("production_events", "events_of_both"),
    "the jobs of machines that know no order": lambda sql: sql.replace("production_events", "events_without_jobs"),
    "that a record may be sent twice": lambda sql: sql.replace("production_events", "events_as_sent"),
}
HELPERS = {
    "events_of_days": "SELECT * FROM production_events WHERE date < DATE '2026-03-29'",
    "events_without_jobs": (
        "SELECT * REPLACE (if(work_center = 'WASH-23', NULL, order_id) AS order_id) FROM production_events"
    ),
    "events_as_sent": "SELECT * FROM production_events UNION ALL (SELECT * FROM production_events LIMIT 300)",
    "events_of_both": (
        "SELECT * FROM production_events UNION ALL BY NAME SELECT plant, date, event_time, event_id, work_center, "
        "order_id, operation, 'MACHINE' AS counted_by, counting, unit, quantity_good AS good, quantity_scrap AS scrap, "
        "quantity_rework AS rework FROM machine_cycle WHERE work_center IN ('ASSY-37', 'PACK-44')"
    ),
}


@pytest.mark.parametrize("forgotten", MUTATIONS)
def test_a_view_that_forgets_something_differs_from_the_machines(world: World, forgotten: str) -> None:
    """Control of the test above."""
    sql = MUTATIONS[forgotten](views()["production_by_order"].sql)
    named = [f"{name} AS ({body})" for name, body in HELPERS.items() if name in sql]
    rows = query(world.root, f"WITH {', '.join(named)} {sql}" if named else sql).to_dicts()
    assert view_by_order(world, rows) != truth_by_order(world)


def shift_of(at: datetime) -> tuple[date, str]:
    """By the clock on the wall: early from 6, late from 14, night from 22 to 6, which belongs to the day it began."""
    wall = at.astimezone(BERLIN)
    if wall.hour < 6:
        return wall.date() - timedelta(days=1), "N"
    return wall.date(), "E" if wall.hour < 14 else "L" if wall.hour < 22 else "N"


def plain_counts(world: World) -> list[dict[str, Any]]:
    """What is counted piece by piece, of each operation by the side that its order confirms."""
    operators = {center.name for center in WORK_CENTERS if center.operator_counted}
    cycles = [
        {**r, "good": r["quantity_good"]}
        for r in world.of("MachineCycle")
        if r["counting"] == "DELTA" and r["work_center"] not in operators
    ]
    reports = [{**r, "good": r["quantity_yield"]} for r in world.of("OperationReport") if r["work_center"] in operators]
    return cycles + reports


def test_production_by_shift_follows_the_wall_clock_over_the_change_to_summer_time(world: World) -> None:
    expected: Sums = defaultdict(Decimal)
    for each in plain_counts(world):
        expected[(*shift_of(each["event_time"]), each["work_center"])] += each["good"]
    rows = world.ask("production_by_shift")
    assert {(r["posting_date"], r["shift"], r["work_center"]): r["good"] for r in rows} == expected
    assert {r["shift"] for r in rows} == {"L", "N", "E"}
    by_utc = {(at["posting_date"], at["shift"]): at["shift_start"].hour for at in rows}
    assert by_utc[date(2026, 3, 28), "N"] == 21
    one = world.ask("production_by_shift", posting_from="2026-03-28", posting_to="2026-03-28")
    assert one == [r for r in rows if r["posting_date"] == date(2026, 3, 28)]


def test_a_calendar_that_knows_no_summer_time_puts_events_into_other_shifts(world: World) -> None:
    """Control of the test above."""
    (known,) = query(world.root, 'SELECT * EXCLUDE (date, partition, "offset") FROM shift_calendar').to_dicts()
    fixed = pl.DataFrame([{**known, "version": known["version"] + 1, "zone": "Etc/GMT-1"}])
    rows = query(world.root, "SELECT * FROM production_by_shift", beside=Beside({"shift_calendar": fixed})).to_dicts()
    assert rows != world.ask("production_by_shift")


def test_production_by_day_adds_up_the_same_pieces_by_utc_date(world: World) -> None:
    expected: Sums = defaultdict(Decimal)
    for each in plain_counts(world):
        expected[each["event_time"].date(), each["work_center"]] += each["good"]
    rows = world.ask("production_by_day")
    assert {(r["date"], r["work_center"]): r["good"] for r in rows} == expected
    (first, *_) = world.ask("production_by_day", **{"from": "2026-03-29"})
    assert first["date"] == date(2026, 3, 29)


def test_scrap_pareto_is_the_scrap_by_reason_of_every_count(world: World) -> None:
    expected: Sums = defaultdict(Decimal)
    for each in plain_counts(world):
        if each["quantity_scrap"]:
            expected[each["unit"], each["scrap_reason"] or ""] += each["quantity_scrap"]
    rows = world.ask("scrap_pareto")
    assert {(r["unit"], r["reason"]): r["scrap"] for r in rows} == expected
    for unit in {r["unit"] for r in rows}:
        mine = [r for r in rows if r["unit"] == unit]
        assert [r["scrap"] for r in mine] == sorted((r["scrap"] for r in mine), reverse=True)
        assert mine[-1]["percent_upto"] == 100


def seconds_by_state(world: World) -> dict[tuple[str, str], int]:
    """Microseconds by work centre and state, event by event."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    state: dict[str, tuple[datetime, str]] = {}
    for each in sorted(world.of("MachineState"), key=lambda r: (r["event_time"], r["sequence"] or 0, r["event_id"])):
        center = each["work_center"]
        since, name = state.get(center, (each["event_time"], "UNCHANGED"))
        if name != "UNCHANGED":
            found[center, name] += (each["event_time"] - since) // timedelta(microseconds=1)
        state[center] = (each["event_time"], each["state"] if each["state"] != "UNCHANGED" else name)
    return found


def test_oee_elements_add_up_to_the_times_between_state_events(world: World) -> None:
    expected = seconds_by_state(world)
    names = {"apt": "PRODUCTION", "aust": "SETUP", "adet": "DELAY", "adot": "DOWN"}
    names |= {"planned_down": "PLANNED_DOWN", "off": "OFF"}
    rows = world.ask("oee_elements")
    assert {r["work_center"] for r in rows} == {center for center, _ in expected}
    for row in rows:
        for element, state in names.items():
            assert row[element] * 1_000_000 == expected.get((row["work_center"], state), 0), (row, element)
        assert row["apt"] + row["aust"] + row["adet"] + row["adot"] == row["pbt"]
    shifts = world.ask("oee_by_shift")
    assert {r["work_center"]: sum(s["apt"] for s in shifts if s["work_center"] == r["work_center"]) for r in rows} == {
        r["work_center"]: r["apt"] for r in rows
    }


def test_downtime_counts_stops_and_their_length(world: World) -> None:
    rows = world.ask("downtime")
    expected = seconds_by_state(world)
    for center in CENTERS:
        total = sum(r["seconds"] for r in rows if r["work_center"] == center) * 1_000_000
        assert total == expected.get((center, "DOWN"), 0) + expected.get((center, "DELAY"), 0)


def test_effectiveness_and_oee_need_the_planned_run_time_of_every_count(world: World) -> None:
    (bare,) = world.ask("oee_elements", work_center="CNC-41")
    assert (bare["effectiveness"], bare["oee"]) == (None, None)
    row = {"plant": "1010", "work_center": "CNC-41", "order_id": None, "operation": None, "unit": "C62"}
    schema = {name: each.type for name, each in GIVEN["planned_run_time"].items()}
    given = Beside({"planned_run_time": pl.DataFrame([{**row, "seconds": Decimal("5.2")}], schema)})
    sql = "SELECT * FROM oee_elements WHERE work_center = 'CNC-41'"
    (full,) = query(world.root, sql, beside=given).to_dicts()
    produced = sum(
        r["quantity_good"] + r["quantity_scrap"] + r["quantity_rework"]
        for r in world.of("MachineCycle")
        if r["work_center"] == "CNC-41"
    )
    assert full["produced"] == produced
    effectiveness = Decimal("5.2") * produced / full["apt"]
    assert full["effectiveness"] == pytest.approx(float(effectiveness), abs=1e-4)
    product = float(full["apt"] / full["pbt"] * effectiveness * full["good"] / produced)
    assert full["oee"] == pytest.approx(product, abs=1e-4)


def test_a_saved_file_answers_alike_in_plain_duckdb_wherever_it_is_opened(world: World, tmp_path: Path) -> None:
    """By the zone of the session, a stop at one in the morning in Tokyo would fall on another date."""
    save(world.root, tmp_path / "history.duckdb")
    answers = []
    for zone in ("UTC", "Asia/Tokyo"):
        with duckdb.connect(str(tmp_path / "history.duckdb"), read_only=True) as opened:
            opened.execute(f"SET TimeZone = '{zone}'")
            opened.execute("SET VARIABLE \"from\" = '2026-03-28'")
            opened.execute("SET VARIABLE \"to\" = '2026-03-28'")
            asked = [f"SELECT * FROM {name}" for name in ("downtime", "production_by_day", "scrap_pareto")]  # noqa: S608
            answers.append([opened.sql(each).to_arrow_table().to_pylist() for each in asked])
    assert answers[0] == answers[1]
    assert all(answers[0])


def test_the_head_of_every_view_names_its_columns_and_variables(tmp_path: Path) -> None:
    save(tmp_path, tmp_path / "empty.duckdb")
    with connect(str(tmp_path / "empty.duckdb")) as opened:
        for view in views().values():
            described = [name for name, *_ in opened.execute(f"DESCRIBE {view.name}").fetchall()]
            assert [each.name for each in view.columns] == described, view.name
            assert all(each.meaning for each in view.columns)
            assert view.meaning, view.name
            for name in view.parameters:
                assert any(f"getvariable('{name}')" in other.sql for other in views().values()), (view.name, name)


def test_every_row_of_the_history_is_in_its_table_once(world: World) -> None:
    for table, name in (("machine_cycle", "MachineCycle"), ("work_order", "WorkOrder"), ("material", "Material")):
        (row,) = query(world.root, f"SELECT count(*) AS n, count(DISTINCT event_id) AS ids FROM {table}").to_dicts()  # noqa: S608
        assert row == {"n": world.counts[name], "ids": world.counts[name]}
