"""The data dictionary and the freshness of a history, and how answers and questions look."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Misconfigured
from schemas.contracts import contract
from sinks.history.catalog import views
from sinks.history.compact import compact, only_one
from sinks.history.dictionary import COLUMNS, FILE, PAGE, dictionary
from sinks.history.freshness import FROM_COMPACTION, FROM_FLOWS, FROM_NOBODY, NO_EVENTS, freshness
from sinks.history.manifest import write_manifest
from sinks.history.query import query, save, tables
from sinks.history.tables import TABLES, Beside, connect
from tests.unit.history_case import TOPIC, fill

GUIDE = Path(__file__).parents[2] / "docs" / "analysts.md"


def call(*arguments: Any) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "history"
    fill(root)
    call("history", "compact", "--root", root, "--retired", "state1", "--before", "2026-03-04")
    return root


def test_every_column_of_every_table_and_view_has_a_meaning(tmp_path: Path) -> None:
    save(tmp_path, tmp_path / "all.duckdb")
    known = {(table, column) for table, column in dictionary().select("table_name", "column_name").iter_rows()}
    with connect(str(tmp_path / "all.duckdb")) as opened:
        for name in (*tables(tmp_path, Beside()).tables, *views()):
            columns = [column for column, *_ in opened.execute(f"DESCRIBE {name}").fetchall()]
            assert [(name, column) for column in columns if (name, column) not in known] == []
    assert dictionary().filter(pl.col("meaning") == "").is_empty()
    assert dictionary().select("table_name", "column_name").is_unique().all()


def test_columns_of_contracts_say_unit_standard_and_source() -> None:
    rows = {(r["table_name"], r["column_name"]): r for r in dictionary().to_dicts()}
    good = rows["machine_cycle", "quantity_good"]
    assert (good["unit"], good["contract"], good["topic"]) == ("`unit`", "MachineCycle", "machine-cycle")
    assert rows["state_time", "production_time"]["standard"] == "ISO 22400-2 APT"
    for table, name in TABLES.items():
        assert {(table, field) for field in contract(name).fields} <= rows.keys()


def test_compaction_keeps_the_dictionary_in_the_history(root: Path) -> None:
    kept = pl.read_parquet(root / FILE)
    assert kept.equals(dictionary())
    assert kept.columns == list(COLUMNS)
    page = (root / PAGE).read_text()
    assert all(f"\n## {table}\n" in page for table in TABLES)
    asked = json.loads(call("query", "dictionary", "--root", root, "--json"))
    assert len(asked) == kept.height


def test_freshness_is_the_mark_of_the_manifest_and_tells_what_waits(root: Path) -> None:
    reached = datetime(2026, 3, 4, 7, tzinfo=UTC)
    with only_one(root):
        compact(root, TOPIC, date(2026, 3, 4), lambda _: 0)
        write_manifest(root, TOPIC, reached)
    (row,) = query(root, "FROM freshness").to_dicts()
    assert (row["topic"], row["complete_up_to"], row["rows"]) == (TOPIC, reached, 144)
    assert (row["waiting_files"], row["waiting_since"]) == (8, date(2026, 3, 4))


def test_before_the_first_compaction_freshness_tells_what_the_raw_zone_holds(tmp_path: Path) -> None:
    fill(tmp_path)
    (row,) = query(tmp_path, "FROM freshness").to_dicts()
    assert (row["topic"], row["complete_up_to"], row["as_of"]) == (TOPIC, None, None)
    assert row["known_from"] == FROM_NOBODY
    assert row["last_event_time"] == datetime(2026, 3, 4, 23, tzinfo=UTC)
    assert (row["rows"], row["files"], row["waiting_files"], row["waiting_since"]) == (0, 0, 32, date(2026, 3, 1))


def test_a_history_without_events_says_so(tmp_path: Path) -> None:
    (row,) = json.loads(call("query", "freshness", "--root", tmp_path, "--json"))
    assert (row["topic"], row["known_from"], row["waiting_files"]) == (None, NO_EVENTS, 0)


def test_what_flows_know_counts_before_what_was_known_at_the_last_compaction(root: Path) -> None:
    then, now = datetime(2026, 3, 4, 7, tzinfo=UTC), datetime(2026, 3, 4, 22, tzinfo=UTC)
    with only_one(root):
        write_manifest(root, TOPIC, then)
    for reached, wanted in ((lambda _: now, (now, FROM_FLOWS)), (lambda _: None, (then, FROM_COMPACTION))):
        (row,) = freshness(root, reached).to_dicts()
        assert (row["complete_up_to"], row["known_from"]) == wanted
        assert row["last_event_time"] == datetime(2026, 3, 4, 23, tzinfo=UTC)


def test_answers_come_as_table_json_csv_and_parquet(root: Path, tmp_path: Path) -> None:
    sql = tmp_path / "count.sql"
    sql.write_text("SELECT count(*) AS n FROM machine_cycle")
    asked = ["query", "--sql", sql, "--root", root]
    assert call(*asked).split() == ["n", "192"]
    assert json.loads(call(*asked, "--json")) == [{"n": 192}]
    assert call(*asked, "--csv") == "n\n192\n"
    call(*asked, "--parquet", tmp_path / "n.parquet")
    assert pl.read_parquet(tmp_path / "n.parquet").to_dicts() == [{"n": 192}]
    with pytest.raises(Misconfigured, match="one of --json"):
        call(*asked, "--csv", "--json")


def test_the_list_names_each_view_with_its_parameters() -> None:
    listed = json.loads(call("query", "--list", "--json"))
    assert {each["view"] for each in listed} == set(views())
    by_name = {each["view"]: each for each in listed}
    assert by_name["lot_genealogy"]["parameters"].startswith("--batch BATCH [--plant PLANT]")
    assert "production_by_order" in call("query", "--list")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["production_by_order", "--colour", "red"],
            "has no parameter --colour; it has --plant, --order, --from, --to",
        ),
        (["production_by_day", "--from", "yesterday"], "--from: 'yesterday' is no date"),
        (["lot_genealogy", "--batch", "B1", "--direction", "UP"], "--direction: 'UP' is not one of BACK, FORWARD"),
        (["--sql", "nope.sql"], "--sql: nope.sql: No such file or directory"),
        (["lot_genealogy"], "needs --batch: Lot to begin with"),
        (["machine_cycle", "--plant", "P1"], "is a table"),
        (["production_by_order", "--plant"], "--plant needs a value"),
        (["production_by_order", "more"], "'more' is no parameter"),
        (["downtime", "--with", "colours=x.csv"], "expected TABLE=FILE"),
        (["downtime", "--with", "planned_run_time=x.txt"], "ends in one of .csv"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_right(root: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(message)):
        call("query", *arguments, "--root", root)


def test_a_given_file_with_a_wrong_column_or_value_is_named(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "times.csv"
    for text, message in (
        ("plant,work_center,unit,secs\nP1,W,C62,3\n", "no column 'secs'"),
        ("plant,work_center,unit\nP1,W,C62\n", "the column 'seconds' is missing"),
        ("plant,work_center,unit,seconds\nP1,W,C62,soon\n", "seconds"),
    ):
        file.write_text(text)
        with pytest.raises(Misconfigured, match=message):
            call("query", "oee_elements", "--root", root, "--with", f"planned_run_time={file}")


def test_the_guide_names_every_view_that_answers_a_question() -> None:
    named = set(re.findall(r"`(\w+)(?: --\w+ \w+)?`", GUIDE.read_text().partition("## Query")[2]))
    steps = {"machine_jobs", "production_events", "oee_parts", "stock_movements", "lot_steps", "unit_factors"}
    assert set(views()) - named == steps | {"bill_of_material"}
