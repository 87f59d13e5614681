"""What a run leaves, kept for whoever looks for the cause of a difference."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from millrace.ledger import Ledger
from millrace.ledger.tables import audit, dead_letters, documents, postings


def keep(ledger: Ledger, disk: Path, folder: Path) -> None:
    """Write documents, postings, dead letters and audit as JSON lines, one file each; copy the flow's disk."""
    shutil.copytree(disk, folder / "disk")
    for table in (documents, postings, dead_letters, audit):
        rows = ledger.ask(partial(_rows, table))
        lines = [json.dumps(row, default=_text) + "\n" for row in rows]
        (folder / f"ledger-{table.name}.jsonl").write_text("".join(lines), encoding="utf-8")


def _rows(table: Table, connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
