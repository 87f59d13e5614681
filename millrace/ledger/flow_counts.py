"""Running totals of the lanes of a flow, for reconciliation and status: read, accepted, duplicates, dead letters.

They come from the lanes' snapshotted state, so they count every record once, after any number of kills.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Column, Connection, String, Table, Text, select
from sqlalchemy.engine import Engine

from millrace.ledger import dialect
from millrace.ledger.tables import metadata

flow_counts = Table(
    "flow_counts",
    metadata,
    Column("flow", String(64), primary_key=True),
    Column("lane", String(64), primary_key=True),
    Column("counts", Text, nullable=False),
)


def put(engine: Engine, connection: Connection, flow: str, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Replace the totals of some lanes."""
    rows = [{"flow": flow, "lane": lane, "counts": json.dumps(dict(c))} for lane, c in counts.items()]
    statement = dialect.insert(engine, flow_counts)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["flow", "lane"], set_={"counts": statement.excluded.counts}),
        rows,
    )


def totals(connection: Connection, flow: str | None = None) -> dict[str, int]:
    """Sums over all lanes, of one flow or of all."""
    query = select(flow_counts.c.counts)
    if flow is not None:
        query = query.where(flow_counts.c.flow == flow)
    total: Counter[str] = Counter()
    for (text,) in connection.execute(query):
        total.update(json.loads(text))
    return dict(total)
