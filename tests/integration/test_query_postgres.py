"""Queries read a ledger on PostgreSQL as they read one on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from millrace.ledger import Ledger
from sinks.history.ledger_tables import LEDGER, ledger_schema, read_ledger
from sinks.history.query import query
from sinks.history.tables import Beside
from tests.conformance.erp_world import document
from tests.servers import Postgres
from tests.unit.ledger_desk import book_all, want

pytestmark = pytest.mark.server
#: What differs between two ledgers that did the same: the clock, and who it was.
DIFFERENT = ("at", "created_at", "updated_at", "sent_at", "open_since", "who")


def test_both_databases_give_the_same_tables_and_answers(postgres: Postgres, tmp_path: Path) -> None:
    answers = []
    for url in (f"sqlite:///{tmp_path / 'ledger.db'}", postgres.create("queried")):
        with Ledger(url, who="test") as ledger:
            want(ledger, document(1, **{"yield": "5"}))
            book_all(ledger)
            tables = {name: read_ledger(ledger.ask, name) for name in LEDGER}
            assert {name: dict(table.schema) for name, table in tables.items()} == {n: ledger_schema(n) for n in LEDGER}
            lag = query(
                tmp_path, "SELECT plant, system, kind, postings, booked FROM posting_lag", beside=_beside(ledger)
            )
        answers.append(({name: table.drop(DIFFERENT, strict=False) for name, table in tables.items()}, lag))
    (sqlite, first), (server, second) = answers
    assert first.equals(second)
    assert first["booked"].to_list() == [1]
    assert all(sqlite[name].equals(server[name]) for name in LEDGER)


def _beside(ledger: Ledger) -> Beside:
    return Beside(ledger=lambda table: read_ledger(ledger.ask, table))
