"""A flow whose state was lost: from whole topics it asks under the same numbers, from trimmed ones a person is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import select

from millrace.ledger import Ledger
from millrace.ledger.tables import alerts, documents
from operators.replenishment_request import CONTRACT
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.batches import Batch
from sinks.ledger import LedgerSink
from tests.flows.stock_records import Record, balance, issue, order, receipt
from tests.flows.test_requests_given_up import CROSSED, FIRST, SECOND, told
from tests.unit.test_replenishment_shard import shard

MET = [order(100, 210, request_number=FIRST), receipt("R1", 200, 210)]
LATER = [balance(1000, 300), issue(2, 1010, 220)]


def lives(url: str, *topics: Sequence[Record]) -> tuple[list[str], list[tuple[str, ...]]]:
    """What the ledger has after a fresh state has read each of these topics, and the alerts in it."""
    sink: Any = LedgerSink(url, "stock", "material planning").build("ledger", 0, 1)
    for records in topics:
        asked, _ = told(*records, until=1100, one=shard())
        sink.write_batch([Batch(documents=[_frame(asked)], contract=CONTRACT)])
    sink.close()
    with Ledger(url) as ledger, ledger.changing() as connection:
        keys = list(connection.scalars(select(documents.c.key).order_by(documents.c.key)))
        rows = connection.execute(select(alerts)).all()
    return keys, [(row.kind, row.subject, row.owner) for row in rows]


def _frame(asked: Sequence[Record]) -> pl.DataFrame:
    return pl.DataFrame(asked, schema=polars_schema(contract(CONTRACT)))


def test_whole_topics_give_the_same_requests_and_tell_nobody(tmp_path: Path) -> None:
    """Negative control: one request per crossing, however often the state is lost."""
    whole = [*CROSSED, *MET, *LATER]
    assert lives(f"sqlite:///{tmp_path}/ledger.db", whole, whole) == ([FIRST, SECOND], [])


def test_a_need_under_an_old_number_is_told_once_and_has_an_owner(tmp_path: Path) -> None:
    before = [*CROSSED, *MET]
    found = lives(f"sqlite:///{tmp_path}/ledger.db", before, LATER, LATER)
    assert found == ([FIRST], [("request_not_taken", FIRST, "material planning")])
