"""The ledger's database: who may open it, how, and what it answers about itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from millrace.errors import Misconfigured
from millrace.ledger import Ledger, queries
from millrace.ledger.tables import SCHEMA_VERSION
from tests.conformance.erp_world import SYSTEM, Clock, document
from tests.unit.hostile_text import check_any_text
from tests.unit.ledger_desk import claim, want


def test_a_ledger_of_another_schema_version_is_refused_with_both_numbers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    engine.dispose()
    with pytest.raises(Misconfigured, match=f"schema version 99, this Millrace knows versions up to {SCHEMA_VERSION}"):
        Ledger(url)


def test_sqlite_is_opened_durably(ledger: Ledger) -> None:
    pragmas = {
        name: ledger.ask(lambda connection, name=name: connection.scalar(text(f"PRAGMA {name}")))
        for name in ("journal_mode", "synchronous", "busy_timeout")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30000}


@pytest.mark.parametrize("query", [queries.oldest_unsettled, queries.unfinished])
def test_an_empty_ledger_answers(ledger: Ledger, query) -> None:
    assert not ledger.ask(query)


def test_the_oldest_unsettled_document_and_overdue_postings_are_known(ledger: Ledger, clock: Clock) -> None:
    want(ledger, document(**{"yield": "1"}))
    since = clock()
    claim(ledger)
    clock.advance(60)
    assert ledger.ask(queries.oldest_unsettled) == since
    assert ledger.ask(lambda connection: queries.overdue(connection, SYSTEM, clock() - 1)) == 1


def test_texts_of_hostile_records_come_back_as_they_were(ledger: Ledger) -> None:
    check_any_text(ledger)
