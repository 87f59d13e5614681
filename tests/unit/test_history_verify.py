"""`millrace history verify`: what is damaged, missing or doubled is named; what is sound is not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.ledger import Ledger
from sinks.history.compact import compact
from sinks.history.manifest import write_manifest
from sinks.history.verify import verify
from sinks.history.zones import DAYS
from tests.unit.history_case import BEFORE, EVERYTHING, TOPIC, fill, rows, writer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three day files and eight raw files."""
    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, lambda _: EVERYTHING)
    write_manifest(tmp_path, TOPIC, None)
    return tmp_path


def day(root: Path) -> Path:
    return root / DAYS / TOPIC / "plant=P1" / "date=2026-03-02" / "day.parquet"


def raw(root: Path) -> Path:
    return sorted((root / TOPIC).rglob("*.parquet"))[0]


def flip(path: Path, at: int) -> None:
    """Turn one bit."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def problems(root: Path) -> list[str]:
    return verify(root, TOPIC).problems


def test_a_sound_history_has_no_problems_and_each_row_once(root: Path) -> None:
    found = verify(root, TOPIC)
    assert (found.files, found.rows, found.problems) == (11, 192, [])


def test_each_turned_bit_of_a_day_file_is_found(root: Path) -> None:
    content = day(root).read_bytes()
    for at in range(0, len(content), max(1, len(content) // 25)):
        flip(day(root), at)
        assert any(str(day(root)) in problem for problem in problems(root)), at
        day(root).write_bytes(content)
    assert problems(root) == []


def test_a_turned_bit_of_data_is_found_by_checksums_of_pages_without_a_manifest(root: Path) -> None:
    (root / DAYS / TOPIC / "_manifest.json").unlink()
    flip(day(root), 60)
    (problem,) = problems(root)
    assert problem.startswith(f"{day(root)}: is damaged")


@pytest.mark.parametrize("which", [day, raw])
def test_a_file_that_was_cut_short_is_named(root: Path, which: Any) -> None:
    path = which(root)
    path.write_bytes(path.read_bytes()[:-20])
    assert [problem for problem in problems(root) if problem.startswith(f"{path}: is ")]


def test_a_day_file_that_is_gone_is_named(root: Path) -> None:
    day(root).unlink()
    assert problems(root) == [f"{day(root)}: is missing, the manifest names it"]
    day(root).parent.rmdir()
    assert problems(root) == [f"{day(root)}: is missing, the manifest names it"]


def test_a_day_file_newer_than_its_manifest_is_no_problem(root: Path) -> None:
    """As a pass leaves it that is killed before it writes the manifest."""
    life = writer(root, identity="state2")
    life.restore(None)
    life.write("MachineCycle", rows([30], "LATE"))
    life.sync()
    compact(root, TOPIC, BEFORE, lambda _: EVERYTHING)
    assert problems(root) == []


def test_rows_that_a_flow_wrote_again_from_an_older_state_are_named(root: Path) -> None:
    life = writer(root)
    life.restore({"generation": "state1", "number": 5})
    life.write("MachineCycle", rows([30], "M2"))
    life.sync()
    (again,) = (root / TOPIC).glob("*/date=2026-03-02/*.parquet")
    os.utime(again, ns=(2**62, 2**62))
    (problem,) = problems(root)
    assert problem.startswith(str(again))
    assert "older recovery store" in problem


@pytest.mark.parametrize(("accepted", "code"), [(192, 0), (193, 1)])
def test_rows_are_held_against_what_the_flows_accepted(root: Path, accepted: int, code: int) -> None:
    url = f"sqlite:///{root}/ledger.db"
    with Ledger(url, who="test") as ledger:
        ledger.put_flow_counts("confirmations", {"lane-00": {"accepted:MachineCycle": accepted}})
    arguments = ["history", "verify", "--root", str(root), "--ledger", url, "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    (found,) = json.loads(result.stdout)
    assert result.exit_code == code
    assert found["problems"] == ([] if code == 0 else ["machine-cycle: has 192 rows, but flows accepted 193"])


def test_problems_are_printed_and_are_an_exit_code(root: Path) -> None:
    day(root).write_bytes(b"nothing")
    result = CliRunner().invoke(app, ["history", "verify", "--root", str(root)], catch_exceptions=False)
    assert result.exit_code == 1
    assert f"{day(root)}: is no readable day file" in result.stdout
