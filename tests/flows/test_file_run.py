from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from millrace import shutdown
from millrace.cli.run import run
from millrace.errors import MillraceError, Misconfigured
from sandbox.plant_layout import TOPICS
from tests.flows.plant_files import EVENTS, options, references, write_day

app = typer.Typer()
app.command("run")(run)


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """A run takes over the signals of its process; the tests' own go on afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    shutdown.draining.clear()


def millrace(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit code and summary of a run; raises what the command raises."""
    result = CliRunner().invoke(app, ["confirmations", *map(str, arguments), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("day")
    return folder, write_day(folder, seed=3, hours=3)


def of_operations(summary: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["order_id"], row["operation"]): row for row in summary["operations"]}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_plant_day_from_files_comes_to_the_plants_own_totals(
    day: tuple[Path, dict[str, Any]], workers: int, tmp_path: Path
) -> None:
    folder, truth = day
    code, summary = millrace(*options(folder), "--out", tmp_path, "--workers", workers)
    assert (code, summary["reconciles"]) == (1, True)
    found = of_operations(summary)
    assert set(found) == {(row["order_id"], row["operation"]) for row in truth["operations"]}
    for row in truth["operations"]:
        total = found[row["order_id"], row["operation"]]
        scrap = sum(map(Decimal, row["scrap"].values()), Decimal(0))
        expected = {
            "quantity_yield": Decimal(row["yield"]),
            "quantity_scrap": scrap,
            "quantity_rework": Decimal(row["rework"]),
            **{name: Decimal(row[name]) for name in ("setup_time", "machine_time", "labour_time")},
        }
        assert {name: Decimal(total[name]) for name in expected} == expected, row
        assert total["is_final"] == row["is_final"], row


def test_what_is_not_in_a_document_is_accounted_for(day: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, truth = day
    _, summary = millrace(*options(folder), "--out", tmp_path)
    for name in EVENTS:
        sent, found = truth["topics"][TOPICS[name]], summary["records"][name]
        assert (found["accepted"], found["duplicates"]) == (sent["events"], sent["duplicates"])
        assert found["dead"] == sent["rejects"].get("future_event_time", 0)
        assert found["history"] == found["accepted"]
    assert summary["records"]["MachineCycle"]["in_no_total"] == 0
    assert summary["records"]["MachineCycle"]["given_up"] == sum(truth["unknown_orders"].values())
    letters = pl.read_parquet(tmp_path / "dead_letters.parquet")
    garbled = sum(topic["rejects"].get("no_prefix", 0) for topic in truth["topics"].values())
    assert letters.filter(reason="missing").height == garbled == summary["rows"]["rejected"]
    gaps = sum(map(len, truth["missing_sequences"].values()))
    assert summary["alerts"].get("sequence_gap", 0) <= gaps
    documents = pl.read_parquet(tmp_path / "documents" / "ProductionConfirmation.parquet")
    assert documents["document_key"].is_unique().all()
    assert summary == json.loads((tmp_path / "summary.json").read_text())


def test_a_history_that_a_run_wrote_is_an_input_like_any_other(
    day: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = day
    first, again = tmp_path / "first", tmp_path / "again"
    _, summary = millrace(*options(folder), "--out", first)
    given = [text for name in EVENTS for text in ("--input", first / "history" / TOPICS[name], "--contract", name)]
    _, replayed = millrace(*given, *references(folder), "--config", folder / "settings.yaml", "--out", again)
    assert replayed["operations"] == summary["operations"]
    assert replayed["rows"]["read"] == sum(r["accepted"] for r in summary["records"].values())


MAPPING = """
version: 1
format: {type: csv, delimiter: ";"}
numbers: {decimal: ",", thousands: "."}
times: {formats: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
fields:
  event_id: {hash_of: [time, machine]}
  event_time: time
  plant: {value: "0100"}
  source: machine
  work_center: machine
outputs:
  - contract: MachineCycle
    fields:
      order_id: order
      operation: {value: "0010"}
      counting: {value: DELTA}
      quantity_good: good
      quantity_scrap: {from: scrap, default: "0"}
      quantity_rework: {value: "0"}
      unit: {value: KGM}
"""
ORDERS = """plant;order_id;material;unit;operation;work_center;target_quantity;auto_final
0100;4711;M1;KGM;0010;M1;1251.5;true
"""
CALENDAR = """
- plant: "0100"
  zone: Europe/Berlin
  valid_from: 2026-01-01
  shifts:
    - {shift: N, start: "22:00", end: "06:00", weekdays: [1, 2, 3, 4, 5, 6, 7]}
  holidays: []
"""
HEAD = "time;machine;order;good;scrap\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in (("map.yaml", MAPPING), ("orders.csv", ORDERS), ("calendar.yaml", CALENDAR)):
        (tmp_path / name).write_text(text)
    return tmp_path


def on_csv(shop: Path, *rows: str, name: str = "a.csv", more: tuple[object, ...] = ()) -> tuple[int, dict[str, Any]]:
    (shop / name).write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return millrace(
        "--input", shop / "a.csv", "--mapping", shop / "map.yaml", "--orders", shop / "orders.csv",
        "--calendar", shop / "calendar.yaml", "--out", shop / "out", *more,
    )  # fmt: skip


def test_decimal_commas_and_local_times_of_a_csv_are_booked_on_the_shifts_day(shop: Path) -> None:
    rows = ("31.01.2026 23:30;M1;4711;1.250,5;", "01.02.2026 05:15;M1;4711;1;0,25")
    code, summary = on_csv(shop, *rows)
    assert (code, summary["dead_letters"]) == (0, [])
    documents = pl.read_parquet(shop / "out" / "documents" / "ProductionConfirmation.parquet")
    night = documents.filter(pl.col("quantity_yield") > 0).row(0, named=True)
    assert (night["shift"], str(night["posting_date"])) == ("N", "2026-01-31")
    [total] = summary["operations"]
    assert (total["quantity_yield"], total["quantity_scrap"], total["is_final"]) == ("1251.5", "0.25", True)


def test_a_row_that_cannot_be_booked_is_found_by_file_line_and_field(shop: Path) -> None:
    code, summary = on_csv(
        shop,
        "01.02.2026 05:15;M1;4711;12.5;",
        "01.02.2036 05:15;M1;4711;1;",
        "01.02.2026 05:16;M1;0815;1;",
        "01.02.2026 05:17;M1;4711;2;",
    )
    assert (code, summary["reconciles"]) == (1, True)
    letters = pl.read_parquet(shop / "out" / "dead_letters.parquet")
    assert letters.select("file", "line", "field", "reason").rows() == [
        (str(shop / "a.csv"), 2, "quantity_good", "not_a_number"),
        (str(shop / "a.csv"), 3, "event_time", "future_event_time"),
        (str(shop / "a.csv"), 4, "order_id", "order_unknown"),
    ]
    cycles = summary["records"]["MachineCycle"]
    assert [cycles[n] for n in ("made", "accepted", "dead", "in_documents", "given_up")] == [3, 2, 1, 1, 1]


def test_a_row_in_two_overlapping_exports_counts_once(shop: Path) -> None:
    (shop / "b.csv").write_text(HEAD + "01.02.2026 05:15;M1;4711;1;\n03.02.2026 05:15;M1;4711;4;\n")
    rows = ("01.02.2026 05:15;M1;4711;1;", "02.02.2026 05:15;M1;4711;2;")
    code, summary = on_csv(shop, *rows, more=("--input", shop / "b.csv"))
    assert (code, summary["operations"][0]["quantity_yield"]) == (0, "7")
    assert summary["records"]["MachineCycle"]["duplicates"] == 1


def test_rows_in_any_order_of_time_are_counted_however_old_the_file_is(shop: Path) -> None:
    (shop / "calendar.yaml").write_text(CALENDAR.replace("2026-01-01", "1990-01-01"))
    rows = [f"{day:02d}.06.1998 05:15;M1;4711;1;" for day in (20, 3, 27, 1)]
    code, summary = on_csv(shop, *rows)
    assert (code, summary["operations"][0]["quantity_yield"]) == (0, "4")


def test_a_clock_that_fell_back_by_years_is_noticed(shop: Path) -> None:
    code, summary = on_csv(shop, "01.02.2026 05:15;M1;4711;1;", "01.02.1980 05:15;M1;4711;1;")
    assert code == 1
    assert [letter["reason"] for letter in summary["dead_letters"]] == ["ancient_event_time"]


def test_without_calendar_rows_wait_for_a_zone(shop: Path) -> None:
    (shop / "calendar.yaml").write_text(CALENDAR.replace('"0100"', '"0200"'))
    row = "01.02.2026 05:15;M1;4711;1;"
    assert [letter["reason"] for letter in on_csv(shop, row)[1]["dead_letters"]] == ["calendar_unknown"]
    assert on_csv(shop, row, more=("--zone", "Europe/Berlin", "--overwrite"))[0] == 0


def test_results_of_an_earlier_run_are_replaced_only_on_request(shop: Path) -> None:
    on_csv(shop, "01.02.2026 05:15;M1;4711;1;")
    with pytest.raises(Misconfigured, match="out: holds documents already"):
        on_csv(shop, "01.02.2026 05:15;M1;4711;2;")
    (shop / "out" / "notes.txt").write_text("mine")
    _, summary = on_csv(shop, "01.02.2026 05:15;M1;4711;2;", more=("--overwrite",))
    assert summary["records"]["MachineCycle"]["history"] == 1
    assert (shop / "out" / "notes.txt").read_text() == "mine"
    (shop / "out" / "summary.json").unlink()
    with pytest.raises(Misconfigured, match=r"no summary\.json"):
        on_csv(shop, "01.02.2026 05:15;M1;4711;2;", more=("--overwrite",))


def test_a_signal_ends_the_run_without_a_summary(shop: Path) -> None:
    shutdown.draining.set()
    with pytest.raises(MillraceError, match="interrupted"):
        on_csv(shop, "01.02.2026 05:15;M1;4711;1;")
    assert not (shop / "out" / "summary.json").exists()


def test_a_file_that_lacks_a_column_of_the_mapping_is_named(shop: Path) -> None:
    (shop / "a.csv").write_text("time;machine\n01.02.2026 05:15;M1\n")
    with pytest.raises(Misconfigured, match=r"a\.csv: the file has no column 'good'"):
        millrace("--input", shop / "a.csv", "--mapping", shop / "map.yaml", "--out", shop / "out")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ((), "--input, --out: a run on files needs both"),
        (("--out", "x"), "2 inputs need one mapping or contract"),
        (("--out", "x", "--mapping", "no.yaml"), "no.yaml:1: mapping: cannot be read"),
        (("--out", "x", "--contract", "MachineCycle", "--zone", "Mars"), "'Mars' is no IANA time zone"),
        (("--out", "x", "--contract", "MachineCycle", "--process", "1"), "is one process"),
        (("--out", "x", "--contract", "MachineCycle"), "a.csv: there is no such file"),
    ],
)
def test_wrong_use_is_one_sentence(more: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    given = [text.replace("x", str(tmp_path / "x")) if text == "x" else text for text in more]
    with pytest.raises(Misconfigured, match=sentence):
        millrace("--input", "a.csv", "b.csv", *given)


def test_a_mapping_to_a_contract_that_the_flow_does_not_read_is_refused(shop: Path) -> None:
    other = MAPPING.replace("MachineCycle", "Alert").partition("    fields:")[0]
    fields = "{kind: machine, severity: {value: INFO}, subject: order, message: good, closed: {value: 'false'}}"
    (shop / "map.yaml").write_text(f"{other}    fields: {fields}\n")
    with pytest.raises(Misconfigured, match="the confirmations flow takes no Alert"):
        on_csv(shop, "01.02.2026 05:15;M1;4711;1;")
