"""Refused rows of a run on files: written to files of their own, mended, and run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from millrace import shutdown
from millrace.cli.app import app
from millrace.errors import Misconfigured

MAPPING = """\
version: 1
description: Pieces of an invented shop
format: {type: csv}
times: {formats: "%Y-%m-%d %H:%M", zone: UTC}
fields:
  event_id: {hash_of: [machine, at]}
  event_time: at
  plant: {value: P1}
  source: machine
  work_center: machine
  order_id: {value: O1}
  operation: {value: "0010"}
outputs:
  - contract: MachineCycle
    fields:
      counting: {value: DELTA}
      quantity_good: {from: pieces, required: true}
      quantity_scrap: {value: "0"}
      quantity_rework: {value: "0"}
      unit: {value: C62}
"""
ROWS = """\
machine,at,pieces,note
A,2026-03-02 06:00,5,
A,2026-03-02 06:01,five,
A,2026-03-02 06:02,x,"two
lines"
A,2026-03-02 06:03,7,
A,2999-03-02 06:03,7,
"""


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run with two rows that the mapping refuses and one from the future."""
    (tmp_path / "shop.yaml").write_text(MAPPING)
    (tmp_path / "shop.csv").write_text(ROWS)
    assert ran(tmp_path, tmp_path / "shop.csv", "out") == 1
    return tmp_path


def ran(folder: Path, file: Path, out: str) -> int:
    given = ["--input", file, "--mapping", folder / "shop.yaml", "--out", folder / out, "--zone", "UTC", "--json"]
    result = CliRunner().invoke(app, ["run", "confirmations", *map(str, given)])
    shutdown.draining.clear()
    return result.exit_code


def rows(folder: Path, *options: str) -> Any:
    given = ["dlq", "rows", str(folder / "out"), "--out", str(folder / "again"), *options, "--json"]
    return json.loads(CliRunner().invoke(app, given, catch_exceptions=False).stdout)


def test_refused_rows_are_copied_with_their_header_and_all_of_their_lines(finished: Path) -> None:
    assert list(rows(finished).values()) == [3]
    header, *refused = ROWS.splitlines(keepends=True)
    assert (finished / "again" / "shop.csv").read_text() == "".join([header, *refused[1:4], refused[5]])


def test_rows_of_one_reason_are_mended_and_run_again(finished: Path) -> None:
    assert list(rows(finished, "--code", "not_a_number").values()) == [2]
    again = finished / "again" / "shop.csv"
    again.write_text(again.read_text().replace("five", "5").replace(",x,", ",6,"))
    ran(finished, again, "second")
    summary = json.loads((finished / "second" / "summary.json").read_text())
    assert (summary["rows"]["read"], summary["rows"]["rejected"]) == (2, 0)


def test_nothing_is_written_over_and_a_folder_without_a_run_is_named(finished: Path) -> None:
    rows(finished)
    with pytest.raises(Misconfigured, match="exists already"):
        rows(finished)
    with pytest.raises(Misconfigured, match="holds no dead_letters"):
        CliRunner().invoke(app, ["dlq", "rows", str(finished), "--out", "x"], catch_exceptions=False)
