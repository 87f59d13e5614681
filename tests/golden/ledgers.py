"""Ledgers as this release leaves them, as SQL: `python -m tests.golden.ledgers` makes that of its schema version.

A test opens each with the code of the day. Make one with every new schema version, and leave the old ones.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from millrace.ledger.tables import SCHEMA_VERSION
from tests.unit.ledger_upgrade import check_upgraded
from tests.unit.ledger_v1 import make_v1

FOLDER = Path(__file__).with_name("ledgers")


def dump(database: Path) -> str:
    """All that a database on SQLite holds."""
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def load(script: Path, database: Path) -> str:
    """URL of a database made of a dump."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(script.read_text(encoding="utf-8"))
    return f"sqlite:///{database}"


def main() -> int:
    """Make the one of this version, unless it is there."""
    FOLDER.mkdir(exist_ok=True)
    script = FOLDER / f"v{SCHEMA_VERSION}.sql"
    if not script.exists():
        with tempfile.TemporaryDirectory() as folder:
            database = Path(folder) / "ledger.db"
            make_v1(f"sqlite:///{database}")
            check_upgraded(f"sqlite:///{database}")
            script.write_text(dump(database), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
