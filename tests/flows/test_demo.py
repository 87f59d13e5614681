"""The demo, small and fast: every process, the outage, the crash, the verdict, and nothing left running."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox import demo_check
from sandbox.demo_folder import ended_by_signals

SMALL = ("--seed", "7", "--hours", "6", "--scale", "0.2", "--seconds", "4")


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Folder and result of one run."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    return folder, subprocess.run(_command(folder), capture_output=True, text=True, timeout=240, check=False)


def _command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "millrace", "demo", *SMALL, "--json", "--out", str(folder), *more]


def _processes(folder: Path) -> list[str]:
    """Command lines of the running processes that name a folder or have their log in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended since
        if str(folder) in command:
            found.append(command)
    return found


def test_the_demo_books_every_piece_once(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, result = finished
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    written = json.loads((folder / "reconciliation.json").read_text())
    assert printed == {name: value for name, value in written.items() if name != "run"}
    assert printed["ok"]
    assert len(printed["operations"]) > 20
    assert sum(printed["unknown_orders"].values()) > 0
    for row in printed["operations"]:
        made, booked = ({name: Decimal(row[place][name]) for name in row[place]} for place in ("truth", "erp"))
        assert made == booked


def test_the_demo_disturbs_what_it_says_it_disturbs(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = finished
    run = json.loads((folder / "reconciliation.json").read_text())["run"]
    assert run["kills of flows"] == "2"
    assert run["bookings doubled"] == "0"
    assert {"down", "lock", "lose answer"} <= {fault.split(" x ")[1] for fault in run["ERP faults met"].split(", ")}


def test_the_demo_leaves_settings_logs_and_report_and_no_process(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = finished
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"flow.yaml", "poster.yaml", "flow.log", "poster.log", "truth.json", "stock.json", "ledger.db"} <= names
    assert {"movements.yaml", "movements.log", "replenishment.yaml", "replenishment.log"} <= names
    assert "Nothing lost, nothing doubled" in (folder / "report.html").read_text(encoding="utf-8")
    assert _processes(folder) == []


def test_every_booking_of_material_is_moved_once_and_every_crossing_asks_once(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, result = finished
    found = json.loads(result.stdout)["materials"]
    assert {row["movement"] for row in found["movements"]} == {"ISSUE", "RETURN", "SCRAP"}
    assert all(Decimal(row["truth"]) == Decimal(row["ledger"]) == Decimal(row["erp"]) for row in found["movements"])
    for row in found["stock"]:
        assert row["crossings"] == row["announced"] == row["asked"]
        truth, shown = ({name: Decimal(value) for name, value in row[place].items()} for place in ("truth", "shown"))
        assert truth == shown
    assert sum(row["asked"] for row in found["stock"]) > 0
    counts = {(check["subject"], check["what"]): check["actual"] for check in json.loads(result.stdout)["checks"]}
    assert min(counts[topic, "accepted"] for topic in ("goods-receipt", "shipment-notice", "inventory-balance")) > 0
    assert counts["quality-event", "accepted"] == 3


def test_the_report_shows_stock_over_the_day_and_each_request(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    page = (finished[0] / "report.html").read_text(encoding="utf-8")
    asked = sum(row["asked"] for row in json.loads(finished[1].stdout)["materials"]["stock"])
    assert page.count('<path class="asked"') == 1 + asked
    for text in ("supplier portal away", "quality hold", "COIL-10, KGM", "received"):
        assert text in page


@pytest.mark.parametrize(
    ("entities", "field", "wrong"),
    [
        ("A_MaterialDocumentItem", "QuantityInEntryUnit", "movements"),
        ("A_PurchaseRequisitionItem", "RequestedQuantity", "stock"),
    ],
)
def test_one_changed_movement_or_request_in_the_erp_fails_the_check(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
    capsys: pytest.CaptureFixture[str],
    entities: str,
    field: str,
    wrong: str,
) -> None:
    folder, _ = finished
    erp = sqlite3.connect(folder / "erp.db", isolation_level=None)
    number, body = erp.execute("SELECT number, body FROM entities WHERE name = ? LIMIT 1", (entities,)).fetchone()
    changed = {**json.loads(body), field: str(Decimal(json.loads(body)[field]) + Decimal("0.001"))}
    try:
        erp.execute("UPDATE entities SET body = ? WHERE number = ?", (json.dumps(changed), number))
        assert demo_check.main([str(folder), "--json"]) == 1
        found = json.loads(capsys.readouterr().out)["materials"]
        assert [row["material"] for row in found[wrong] if not row["ok"]] == [changed["Material"]]
    finally:
        erp.execute("UPDATE entities SET body = ? WHERE number = ?", (body, number))
        erp.close()


def test_one_changed_piece_in_the_erp_fails_the_check(
    finished: tuple[Path, subprocess.CompletedProcess[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = finished
    erp = sqlite3.connect(folder / "erp.db", isolation_level=None)
    number, body = erp.execute(
        "SELECT number, body FROM confirmations WHERE NOT is_reversal AND NOT is_reversed"
        " AND json_extract(body, '$.ConfirmationYieldQuantity') + 0 > 0 LIMIT 1"
    ).fetchone()
    booked: dict[str, Any] = json.loads(body)
    one_more = f"{Decimal(booked['ConfirmationYieldQuantity']) + 1}"
    try:
        _write(erp, number, {**booked, "ConfirmationYieldQuantity": one_more})
        assert demo_check.main([str(folder), "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        wrong = [row for row in found["operations"] if not row["ok"]]
        assert [(row["order_id"], row["differences"]) for row in wrong] == [(booked["OrderID"], ["yield"])]
    finally:
        _write(erp, number, booked)
        erp.close()
    assert demo_check.main([str(folder), "--json"]) == 0


def _write(erp: sqlite3.Connection, number: int, entity: dict[str, Any]) -> None:
    erp.execute("UPDATE confirmations SET body = ? WHERE number = ?", (json.dumps(entity), number))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_a_demo_that_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "out"
    demo = subprocess.Popen(_command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _until(lambda: sum("flow.yaml" in command for command in _processes(folder)) > 0)
    os.kill(demo.pid, number)
    assert demo.wait(60) != 0
    _until(lambda: _processes(folder) == [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_that_is_lost_is_heeded_later(number: signal.Signals) -> None:
    """As in a destructor, out of which no error comes."""
    with ended_by_signals() as ended:
        ended.heed()
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), number)
            time.sleep(5)
        with pytest.raises(KeyboardInterrupt):
            ended.heed()


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        if time.monotonic() > give_up:
            pytest.fail("waited in vain")
        time.sleep(0.05)


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = subprocess.run(_command(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, "no demo made" in refused.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
