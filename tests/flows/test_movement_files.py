"""The flow of goods movements on files."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from millrace import shutdown
from millrace.cli.run import run
from schemas.contracts import contract
from schemas.types import polars_schema
from tests.flows.movement_memory import component, confirmed, material, order, used

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


def written(folder: Path, name: str, records: list[dict[str, Any]]) -> Path:
    """Records of a contract as Parquet."""
    path = folder / f"{name}.parquet"
    pl.DataFrame(records, schema=polars_schema(contract(name))).write_parquet(path)
    return path


def day(folder: Path, *bookings: dict[str, Any]) -> list[str]:
    """Options of a run over some bookings, and a confirmation of ten pieces."""
    rules = folder / "moves.yaml"
    rules.write_text("window: 10m\nbackflush: [{component: BOLT, policy: all}]\n")
    files = {
        "--input": written(folder, "MaterialConsumption", list(bookings)),
        "--materials": written(folder, "Material", [material(GRM=(1, 1000)), material("BOLT", base="C62")]),
        "--orders": written(folder, "WorkOrder", [order(component("BOLT", 4, unit="C62"))]),
        "--confirmations": written(folder, "ProductionConfirmation", [confirmed(10, 3)]),
    }
    given = [text for name, path in files.items() for text in (name, str(path))]
    return [*given, "--mapping", "MaterialConsumption", "--zone", "UTC", "--config", str(rules)]


def run_with(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["goods-movements", *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.mark.parametrize("workers", ["1", "2"])
def test_files_of_consumption_and_confirmations_become_movements_that_reconcile(tmp_path: Path, workers: str) -> None:
    bookings = [used(1), used(2, 9000, unit="GRM"), used(2, 9000, unit="GRM"), used(3, 5, serials=["S1"])]
    bookings.append(used(4, 6, material="UNKNOWN"))
    code, text = run_with(*day(tmp_path, *bookings), "--out", str(tmp_path / "out"), "--workers", workers, "--json")
    found = json.loads(text)
    assert (code, found["reconciles"]) == (1, True), found["checks"]
    moved = {(row["movement"], row["material"]): (row["quantity"], row["unit"]) for row in found["movements"]}
    assert moved == {("ISSUE", "STEEL"): ("2.002", "KGM"), ("ISSUE", "BOLT"): ("40", "C62")}
    reasons = {row["reason"]: row["letters"] for row in found["dead_letters"]}
    assert reasons == {"serialised_material": 1, "unit_conversion_unknown": 1}
    records = found["records"]["MaterialConsumption"]
    assert (records["accepted"], records["duplicates"], records["in_documents"], records["given_up"]) == (4, 1, 2, 2)
    stored = pl.read_parquet(tmp_path / "out" / "documents" / "GoodsMovement.parquet")
    assert set(stored.columns) == set(contract("GoodsMovement").fields)
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == found


def test_a_clean_day_ends_with_exit_code_0_and_a_table(tmp_path: Path) -> None:
    code, text = run_with(*day(tmp_path, used(1)), "--out", str(tmp_path / "out"))
    assert code == 0
    assert "every count reconciles" in text
    assert "BOLT" in text
