"""The replenishment flow on files, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from millrace.cli.app import app
from schemas.contracts import contract
from schemas.types import polars_schema
from tests.flows.stock_memory import CONTRACTS
from tests.flows.stock_records import Record, balance, issue, material, notice, order, receipt


def write(folder: Path, records: list[Record]) -> list[str]:
    """One Parquet file per contract; options of the command."""
    by_contract: dict[str, list[Record]] = {}
    for record in records:
        by_contract.setdefault(CONTRACTS[record["event_id"][0]], []).append(record)
    options = []
    for name, rows in by_contract.items():
        path = folder / f"{name}.parquet"
        pl.DataFrame(rows, schema=polars_schema(contract(name))).write_parquet(path)
        options += ["--input", str(path), "--contract", name]
    path = folder / "Material.parquet"
    pl.DataFrame([material()], schema=polars_schema(contract("Material"))).write_parquet(path)
    return [*options, "--materials", str(path)]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_files_in_any_order_become_requests_stock_and_a_summary(workers: str, tmp_path: Path) -> None:
    """Consumption is read before the balance that it comes after: nothing is judged before all is read."""
    supplied = [order(20, 200), notice("S1", 25, 200), receipt("R1", 40, 190, "S1")]
    options = write(tmp_path, [*(issue(n, n, 10) for n in range(1, 31)), balance(0, 250), *supplied])
    config, out = tmp_path / "flow.yaml", tmp_path / "out"
    config.write_text(yaml.safe_dump({"rules": [{"reorder_point": 100, "order_up_to": 300}]}))
    command = ["run", "replenishment", *options, "--out", str(out), "--config", str(config), "--workers", workers]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["reconciles"]
    assert [(each["request_number"], each["quantity"]) for each in summary["requests"]] == [("P1||STEEL|RM01|1", "200")]
    (stock,) = summary["stock"]
    assert (stock["on_hand"], stock["projected"]) == ("140", "350")
    assert summary["alerts"] == {"receipt_quantity": 1}
    assert pl.read_parquet(out / "stock_projection.parquet").height == 32
    assert pl.read_parquet(out / "history" / "stock-projection" / "**" / "*.parquet").height == 32


def test_a_record_of_an_unknown_material_is_told_and_in_no_stock(tmp_path: Path) -> None:
    options = write(tmp_path, [balance(0, 250), issue(1, 5, 10, material="GHOST"), issue(2, 6, 1, unit="PCE")])
    done = CliRunner().invoke(app, ["run", "replenishment", *options, "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 1, done.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["alerts"] == {"material_unknown": 2}
    (letters,) = summary["dead_letters"]
    assert letters == {"kind": "TOTAL", "reason": "unit_conversion_unknown", "field": "unit", "letters": 2, "events": 2}
    assert [each["on_hand"] for each in summary["stock"]] == ["250"]
