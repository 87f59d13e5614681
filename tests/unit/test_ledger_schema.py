"""The ledger's tables: made, upgraded, and refused where a newer Millrace has been; on SQLite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from millrace.ledger import Ledger
from millrace.ledger.schema import MIGRATIONS
from millrace.ledger.tables import SCHEMA_VERSION, metadata
from tests.unit.ledger_upgrade import check_upgraded
from tests.unit.ledger_v1 import make_v1

OPEN = "import sys; from millrace.ledger import Ledger; sys.stdin.read(1); Ledger(sys.argv[1]).close()"


def test_a_ledger_of_version_1_is_upgraded_with_all_it_holds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    make_v1(url)
    check_upgraded(url)


def test_a_new_ledger_has_the_tables_that_the_migrations_end_with(ledger: Ledger) -> None:
    assert ledger.ask(lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)) == []
    heads = ScriptDirectory(str(MIGRATIONS)).get_heads()
    assert heads == [f"{SCHEMA_VERSION:04d}"]
    assert ledger.ask(lambda connection: MigrationContext.configure(connection).get_current_heads()) == tuple(heads)


def test_processes_that_start_at_once_upgrade_one_after_the_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    make_v1(url)
    start_at_once(url)
    check_upgraded(url)


def start_at_once(url: str) -> None:
    """Four processes that open the ledger at the same instant; each has to succeed."""
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, url], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write(b"x")
        process.stdin.close()
    for process in processes:
        errors = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=60) == 0, errors
