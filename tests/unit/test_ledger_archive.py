"""Old orders move to Parquet, and come back by themselves when a late revision needs them; on SQLite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Misconfigured
from millrace.ledger import Ledger, desired
from millrace.ledger.archiving import Archived, archive
from millrace.ledger.tables import SCHEMA_VERSION, archives, documents
from tests.conformance.erp_world import Clock, document
from tests.unit.archive_case import DAY, check_archive, old_and_new, rows
from tests.unit.ledger_desk import book_all, want

KILLED = """
import sys
from pathlib import Path
from millrace.ledger import Ledger
from millrace.ledger.archiving import archive
with Ledger(sys.argv[1], clock=lambda: int(sys.argv[3])) as ledger:
    archive(ledger, Path(sys.argv[2]), 30, "ann")
"""


def test_late_revisions_of_archived_orders_book_their_difference_only(
    ledger: Ledger, clock: Clock, tmp_path: Path
) -> None:
    check_archive(ledger, clock, tmp_path / "archive")


def test_without_tombstones_a_late_revision_books_its_whole_total_again(
    ledger: Ledger, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(desired, "bring_back", lambda *ignored: set())  # noqa: ARG005
    with pytest.raises(AssertionError):
        check_archive(ledger, clock, tmp_path / "archive")


@pytest.mark.parametrize("point", ["archive.after_write", "archive.after_remove"])
def test_a_run_that_is_killed_is_finished_by_the_next(ledger: Ledger, clock: Clock, tmp_path: Path, point: str) -> None:
    old_and_new(ledger, clock)
    out, url = tmp_path / "archive", f"sqlite:///{tmp_path}/ledger.db"
    command = [sys.executable, "-c", KILLED, url, str(out), str(clock())]
    assert subprocess.run(command, env={"MILLRACE_FAILPOINT": point}, check=False).returncode == -9
    last = archive(ledger, out, 30, "ann")
    assert last.removed == (point == "archive.after_write")
    assert rows(ledger, documents) == 2
    assert len(list(out.glob("batch=*"))) == rows(ledger, archives) == 1
    assert ledger.inconsistent() == []


def test_stock_movements_of_one_place_are_archived_one_by_one(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    want(ledger, document(1, "stock:M1|0001", **{"yield": "5"}))
    book_all(ledger)
    clock.advance(40 * DAY)
    want(ledger, document(2, "stock:M1|0001", **{"yield": "4"}))
    book_all(ledger)
    assert archive(ledger, tmp_path / "archive", 30, "ann").documents == 1
    want(ledger, document(2, "stock:M1|0001", 2, **{"yield": "6"}), document(1, "stock:M1|0001", 2, **{"yield": "6"}))
    assert sorted(dict(step.quantities)["yield"] for step in book_all(ledger)) == [1, 2]
    assert ledger.inconsistent() == []


def test_a_second_run_in_the_same_folder_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    from millrace.ledger import archive_files

    with archive_files.locked(tmp_path / "a"), pytest.raises(Misconfigured, match="another archive run"):
        archive(ledger, tmp_path / "a", 30, "ann")


def test_files_of_another_ledger_in_the_folder_are_left_alone(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    old_and_new(ledger, clock)
    out = tmp_path / "archive"
    archive(ledger, out, 30, "ann")
    with Ledger(f"sqlite:///{tmp_path}/other.db", clock=clock) as other:
        assert archive(other, out, 30, "ann") == Archived()
    assert len(list(out.glob("batch=*"))) == 1


def test_the_command_line_archives_tells_and_restores(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    clock.micros = 1_600_000_000_000_000
    old_and_new(ledger, clock)
    url, run = f"sqlite:///{tmp_path}/ledger.db", CliRunner().invoke
    where = ["--ledger", url, "--out", str(tmp_path / "a")]
    moved = run(app, ["ledger", "archive", *where, "--older-than", "1", "--json"])
    assert json.loads(moved.stdout)["documents"] == 5
    told = json.loads(run(app, ["ledger", "info", "--ledger", url, "--json"]).stdout)
    assert (told["schema_version"], told["archived_documents"], told["tombstones"]) == (SCHEMA_VERSION, 5, 3)
    back = run(app, ["ledger", "restore", "1000001", "--ledger", url, "--plant", "P1", "--why", "audit"])
    assert "2 documents are back" in back.stdout
    assert len(ledger.order_report("1000001")) == 2
    assert run(app, ["ledger", "upgrade", "--ledger", url]).stdout == f"schema version {SCHEMA_VERSION}\n"
