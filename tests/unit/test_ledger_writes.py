"""What a round writes follows what is open, not what the ledger holds: counted in pages of SQLite's log."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, text

from bench.full_ledger import fill
from millrace.ledger import Ledger
from tests.conformance.erp_world import SYSTEM, document
from tests.unit.ledger_desk import RULES, finish, want

BOOKED, ROUND = 20_000, 64
#: An index in the order of random references, as the audit once had.
BY_REFERENCE = "CREATE INDEX by_reference ON audit (external_reference)"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "full.db"
    fill(f"sqlite:///{path}", BOOKED)
    return path


def written(path: Path, first: int, *before: str) -> float:
    """Bytes that one posting adds to the log, in the second of two rounds."""
    with Ledger(f"sqlite:///{path}") as ledger:
        event.listen(ledger._engine, "connect", lambda raw, _: raw.execute("PRAGMA wal_autocheckpoint = 0"))
        ledger._engine.dispose()
        with ledger.changing() as connection:
            for statement in before:
                connection.execute(text(statement))
        _round(ledger, first)
        begun = path.with_name(path.name + "-wal").stat().st_size
        _round(ledger, first + ROUND)
        return (path.with_name(path.name + "-wal").stat().st_size - begun) / ROUND


def _round(ledger: Ledger, first: int) -> None:
    want(ledger, *(document(1, f"{first + number}", **{"yield": "1"}) for number in range(ROUND)))
    while steps := ledger.claim(SYSTEM, ROUND, RULES):
        finish(ledger, steps)


def test_a_full_ledger_writes_one_random_page_more_for_a_posting(full: Path, tmp_path: Path) -> None:
    """The page is the posting's own, found by its reference."""
    more = written(full, 10_000_000) - written(tmp_path / "empty.db", 10_000_000)
    assert 0 < more < 1.2 * 4096, f"{more:.0f} bytes"


def test_an_index_by_reference_would_write_three(full: Path, tmp_path: Path) -> None:
    """Negative control: a page when claimed and one with the outcome."""
    more = written(full, 20_000_000, BY_REFERENCE) - written(tmp_path / "empty.db", 20_000_000, BY_REFERENCE)
    assert more > 2 * 4096, f"{more:.0f} bytes"
