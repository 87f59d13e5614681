"""A ledger whose old orders are archived, on any database."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
from sqlalchemy import func, select

from millrace.ledger import Ledger, Status
from millrace.ledger.archiving import Archived, archive
from millrace.ledger.tables import audit, documents, postings, tombstones
from tests.conformance.erp_world import Clock, document
from tests.unit.ledger_desk import book_all, claim, finish, want

DAY = 86_400


def rows(ledger: Ledger, table) -> int:
    return ledger.ask(lambda connection: connection.scalar(select(func.count()).select_from(table)))


def old_and_new(ledger: Ledger, clock: Clock) -> None:
    """Orders 1 and 2 are booked and old (2 after a correction), 3 is booked today, 4 is rejected and old."""
    want(ledger, *(document(n, f"100000{order}", **{"yield": "5"}) for order in (1, 2) for n in (1, 2)))
    want(ledger, document(1, "1000004", **{"yield": "5"}))
    refused = [step for step in claim(ledger) if step.order_id == "1000004"]
    ledger.recover("sap")
    book_all_but(ledger, {refused[0].external_reference})
    want(ledger, document(2, "1000002", 2, **{"yield": "3"}))
    book_all(ledger)
    clock.advance(40 * DAY)
    want(ledger, document(1, "1000003", **{"yield": "5"}))
    book_all(ledger)


def book_all_but(ledger: Ledger, refused: set[str]) -> None:
    while steps := claim(ledger):
        for step in steps:
            finish(ledger, [step], Status.REJECTED if step.external_reference in refused else Status.BOOKED)


def check_archive(ledger: Ledger, clock: Clock, out: Path) -> None:
    """Archive, look at the files, then let revisions come late: only the difference is booked."""
    old_and_new(ledger, clock)
    before = {table.name: rows(ledger, table) for table in (documents, postings, audit)}
    would = archive(ledger, out, 30, "ann", dry_run=True)
    assert would == Archived(documents=4, postings=6, audit=would.audit, batches=1)
    assert not out.exists()
    assert archive(ledger, out, 30, "ann") == would
    assert rows(ledger, documents) == before["documents"] - 4
    assert rows(ledger, postings) == before["postings"] - 6
    [folder] = out.glob("batch=*")
    assert pl.read_parquet(folder / "documents.parquet")["order_id"].unique().sort().to_list() == ["1000001", "1000002"]
    assert pl.read_parquet(folder / "audit.parquet").height == would.audit == before["audit"] - rows(ledger, audit)
    assert archive(ledger, out, 30, "ann") == Archived(), "nothing is left to do"
    _late_revisions(ledger)


def _late_revisions(ledger: Ledger) -> None:
    same = document(1, "1000001", **{"yield": "5"})
    assert ledger.put_desired([same]) == 0
    want(ledger, document(1, "1000001", 2, **{"yield": "7"}))
    [more] = book_all(ledger)
    assert (more.step, dict(more.quantities)) == (2, {"yield": Decimal(2)})
    want(ledger, document(2, "1000002", 3, **{"yield": "1"}))
    back, again = book_all(ledger)
    assert dict(back.quantities) == {"yield": Decimal(-3)}
    assert back.reverses_document == "1/1"
    assert (again.step, dict(again.quantities)) == (5, {"yield": Decimal(1)})
    assert ledger.inconsistent() == []
    assert rows(ledger, tombstones) == 0
    [report, _] = ledger.order_report("1000001")
    assert report.audit[0]["from_status"] == "archived"
