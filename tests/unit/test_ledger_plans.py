"""What a round of posting costs follows what is open, not what the ledger holds: every query goes by an index."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import event, select, tuple_

from millrace.ledger import Ledger
from millrace.ledger.dialect import among
from millrace.ledger.tables import lanes
from tests.conformance.erp_world import SYSTEM, document
from tests.unit.ledger_desk import RULES, finish, want

#: Reads a table from end to end, or all orders of a system.
WHOLE = re.compile(r"SCAN (documents|lanes|postings|audit)|SEARCH (lanes|postings) .*\(system=\?\)")


@pytest.fixture
def plans(ledger: Ledger) -> Iterator[list[str]]:
    """Query plans of everything that the ledger reads and changes, one line a step."""
    seen: list[str] = []

    def explain(_connection, cursor, statement, parameters, _context, many) -> None:
        if re.match(r"SELECT|UPDATE|DELETE", statement):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters[0] if many else parameters)
            seen.extend(f"{step[3]} in {statement}" for step in plan.fetchall())

    event.listen(ledger._engine, "before_cursor_execute", explain)
    yield seen
    event.remove(ledger._engine, "before_cursor_execute", explain)


def test_no_query_of_a_round_reads_a_whole_table(ledger: Ledger, plans: list[str]) -> None:
    want(ledger, *(document(n, f"{1000000 + order}", **{"yield": "1"}) for order in range(9) for n in (1, 2)))
    plans.clear()  # putting and routing are batches of a flow, not of a round
    while steps := ledger.claim(SYSTEM, 4, RULES):
        finish(ledger, steps)
    assert len(plans) > 20
    assert [plan for plan in plans if WHOLE.search(plan)] == []


def test_a_tuple_alone_would_read_every_order(ledger: Ledger, plans: list[str]) -> None:
    """Negative control, and the reason for `among`."""
    keys = [("P1", "1000001"), ("P1", "1000002")]
    columns = (lanes.c.plant, lanes.c.order_id)
    for condition in (tuple_(*columns).in_(keys), among(columns, keys)):
        query = select(lanes).where(lanes.c.system == SYSTEM, condition)
        ledger.ask(lambda connection, query=query: connection.execute(query).all())
    assert [bool(WHOLE.search(plan)) for plan in plans if " lanes " in plan.split(" in ")[0]] == [True, False]
