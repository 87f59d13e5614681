"""`millrace query`: views over both zones of the history, and what docs/analysts.md shows of them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Misconfigured
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.history.catalog import views
from sinks.history.compact import compact
from sinks.history.query import query
from sinks.history.tables import TABLES, Beside, connect, empty_ledger
from sinks.parquet import HistoryWriter
from tests.unit.history_case import BEFORE

PAGE = Path(__file__).parents[2] / "docs" / "analysts.md"
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
TOPICS = {"MachineCycle": "machine-cycle", "MachineState": "machine-state", "OperationReport": "operation-report"}


def events(name: str, values: list[dict[str, Any]]) -> pl.DataFrame:
    schema = polars_schema(contract(name))
    common = {"plant": "0100", "source": "M1", "work_center": "PRESS-4", "order_id": "4711", "operation": "0010"}
    filled = [
        {**common, "event_id": f"{name}-{n}", "event_time": START + timedelta(minutes=v["minute"]), **v}
        for n, v in enumerate(values)
    ]
    columns = {column: [each.get(column) for each in filled] for column in schema}
    frame = pl.DataFrame(columns, schema=schema)
    return frame.with_columns(pl.lit(65536 + 3, pl.Int32).alias("origin"), pl.int_range(pl.len()).alias("offset"))


def cycle(minute: int, good: int, scrap: int = 0, reason: str | None = None, **values: Any) -> dict[str, Any]:
    quantities = {"quantity_good": Decimal(good), "quantity_scrap": Decimal(scrap), "quantity_rework": Decimal(0)}
    return {"minute": minute, "counting": "DELTA", "unit": "C62", "scrap_reason": reason, **quantities, **values}


def state(minute: int, name: str, reason: str | None = None) -> dict[str, Any]:
    return {"minute": minute, "state": name, "job_event": "NONE", "completed": False, "reason": reason}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two days: the first is compacted, then late rows came; the second lies in the raw zone."""
    root = tmp_path / "history"
    first = [cycle(0, 10), cycle(60, 20, 4, "CRACK"), cycle(90, 7, 1, "BURR"), cycle(91, 900, counting="CUMULATIVE")]
    states = [state(0, "PRODUCTION"), state(60, "DOWN", "TOOL"), state(75, "PRODUCTION"), state(120, "OFF")]
    late = [cycle(30, 5), cycle(1500, 8)]
    life = HistoryWriter(root, "confirmations", "lane-00", TOPICS, lambda: "state1")
    life.restore(None)
    life.write("MachineCycle", events("MachineCycle", first))
    life.write("MachineState", events("MachineState", states))
    number = life.sync()["number"]
    for topic in ("machine-cycle", "machine-state"):
        compact(root, topic, BEFORE, lambda _: number)
    life.write("MachineCycle", events("MachineCycle", late).with_columns(event_id="L" + pl.col("event_id")))
    life.sync()
    return root


def call(*arguments: Any) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def ask(root: Path, view: str) -> list[dict[str, Any]]:
    return json.loads(call("query", view, "--root", root, "--json"))


def test_production_adds_up_pieces_of_both_zones_and_counts_readings_apart(root: Path) -> None:
    (order,) = ask(root, "production_by_order")
    assert (order["plant"], order["order_id"]) == ("0100", "4711")
    assert [Decimal(order[name]) for name in ("good", "scrap")] == [50, 5]
    assert order["readings"] == 1
    assert [(day["date"], Decimal(day["good"])) for day in ask(root, "production_by_day")] == [
        ("2026-03-02", 42),
        ("2026-03-03", 8),
    ]


def test_scrap_is_ranked_with_shares_that_add_up(root: Path) -> None:
    rows = ask(root, "scrap_pareto")
    assert [(each["reason"], each["percent"], each["percent_upto"]) for each in rows] == [
        ("CRACK", 80.0, 80.0),
        ("BURR", 20.0, 100.0),
    ]


def test_stops_and_elements_of_iso_22400_come_from_the_states(root: Path) -> None:
    (stop,) = ask(root, "downtime")
    assert (stop["reason"], stop["stops"], Decimal(stop["seconds"])) == ("TOOL", 1, 900)
    (elements,) = ask(root, "oee_elements")
    times = {name: Decimal(elements[name]) for name in ("apt", "aust", "adet", "adot", "pbt")}
    assert (times["apt"], times["adot"], times["pbt"]) == (6300, 900, 7200)
    assert times["apt"] + times["aust"] + times["adet"] + times["adot"] == times["pbt"]
    assert (elements["availability"], elements["quality_ratio"]) == (0.875, round(50 / 55, 4))


def test_views_over_a_history_without_events_are_empty(tmp_path: Path) -> None:
    beside = Beside(ledger=empty_ledger())
    for name in (*views(), *TABLES):
        assert query(tmp_path, f"SELECT * FROM {name}", {"batch": "B1"}, beside).is_empty(), name  # noqa: S608


def test_a_saved_database_shows_compacted_days_and_follows_them(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "history.duckdb"
    call("query", "--root", root, "--save", path)
    with connect(str(path)) as opened:
        assert opened.execute("SELECT good FROM production_by_order").fetchall() == [(37,)]
        compact(root, "machine-cycle", BEFORE, lambda _: 100)
        assert opened.execute("SELECT good FROM production_by_order").fetchall() == [(50,)]


def test_plants_keep_their_names_in_both_zones(tmp_path: Path) -> None:
    """Leading zeros, slashes and patterns."""
    plants = ["0100", "a/b", "*", "x=y '1'"]
    for compacted in (False, True):
        life = HistoryWriter(tmp_path, "confirmations", "lane-00", TOPICS, f"state{compacted}".lower)
        life.restore(None)
        life.write("MachineCycle", events("MachineCycle", [cycle(0, 1, plant=plant) for plant in plants]))
        life.sync()
        found = ask(tmp_path, "production_by_order")
        assert [(each["plant"], Decimal(each["good"])) for each in found] == [
            (plant, 1 + compacted) for plant in sorted(plants)
        ]
        compact(tmp_path, "machine-cycle", BEFORE, lambda _: 100)


def test_a_wrong_view_or_statement_is_named(root: Path, tmp_path: Path) -> None:
    sql = tmp_path / "wrong.sql"
    sql.write_text("SELECT nonsense FROM machine_cycle")
    for arguments, message in (
        (["--sql", sql], "nonsense"),
        (["no_view"], "there is no view 'no_view'"),
        ([], "either a view or --sql"),
        (["downtime", "--sql", sql], "either a view or --sql"),
    ):
        with pytest.raises(Misconfigured, match=message):
            call("query", *arguments, "--root", root)


def test_the_page_for_analysts_shows_what_its_examples_print(root: Path, tmp_path: Path) -> None:
    examples = re.findall(r"```sql\n(.+?)```\n\n```csv\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(examples) >= 3
    for sql, shown in examples:
        (tmp_path / "example.sql").write_text(sql)
        assert call("query", "--root", root, "--csv", "--sql", tmp_path / "example.sql") == shown
