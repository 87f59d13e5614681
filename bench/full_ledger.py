"""What a posting costs in a ledger with millions of booked documents, against an empty one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from statistics import median

from sqlalchemy import Connection, create_engine, make_url, text

from bench.poster import confirmation
from bench.process import Result, cpu_seconds
from millrace.ledger import Ledger, Status
from millrace.ledger.difference import PostingRules
from millrace.ledger.model import Outcome
from millrace.ledger.tables import audit, documents, lanes, postings
from millrace.ledger.text import dump_json, dump_quantities
from sinks.erp.registry import create

PER_ORDER = 10
_ROUND, _CLAIM = 640, 64
_TABLES = (documents, lanes, postings, audit)


def fill(url: str, count: int) -> None:
    """Make a ledger with `count` booked documents, ten to an order, each with one posting and its audit."""
    Ledger(url).close()
    if make_url(url).get_backend_name() == "sqlite":
        return _fill_sqlite(str(make_url(url).database), count)
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in _TABLES:
            for index in table.indexes:
                index.drop(connection)
        for statement in _statements("generate_series(1, {n}) AS n(i)", "right('000000000' || {x}, 9)", "md5(i::text)"):
            connection.execute(text(_escaped(statement.replace("{n}", str(count)))))
        _index(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()
    return None


def _fill_sqlite(path: str, count: int) -> None:
    series = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) SELECT i FROM n) AS n"
    statements = _statements(series, "substr('000000000' || ({x}), -9)", "lower(hex(randomblob(16)))")
    with sqlite3.connect(path, isolation_level=None) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        for table in _TABLES:
            for index in table.indexes:
                connection.execute(f"DROP INDEX {index.name}")
        for statement in statements:
            connection.execute(statement.replace("{n}", str(count)))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as indexed:
        _index(indexed)
    engine.dispose()


def _index(connection: Connection) -> None:
    for table in _TABLES:
        for index in table.indexes:
            index.create(connection)


def _statements(series: str, padded: str, reference: str) -> Iterator[str]:
    """INSERTs of all tables; numbers come from `series`, so no row crosses from Python."""
    sample = confirmation(1, "0")
    quantities, attributes = dump_quantities(sample.quantities), dump_json(dict(sample.attributes))
    order = padded.replace("{x}", f"(i / {PER_ORDER})")
    key = f"'P1|' || {order} || '|0010|PRESS1|E|' || {padded.replace('{x}', 'i')}"
    content = {
        "system": "'sap'",
        "kind": "'ProductionConfirmation'",
        "plant": "'P1'",
        "order_id": order,
        "operation": "'0010'",
        "quantities": f"'{quantities}'",
        "attributes": f"'{attributes}'",
        "final": "(1 = 0)",
        "revision": "12",
        "reference_version": "1",
        "created_at": "1700000000000000",
        "updated_at": "1700000000000000",
    }
    document = {"sort_key": "'1'", "tier": "1", "payload_hash": "'0123456789abcdef01234567'", "state": "'settled'"}
    booked = {"steps": "1", "booked": f"'{quantities}'", "booked_final": "(1 = 0)"}
    yield _insert("documents", {"key": key, **content, **document, **booked}, f"{series} ORDER BY i")
    posting = {"step": "1", "action": "'book'", "status": "'booked'", "attempts": "1", "failures": "0"}
    sent = {"sent_at": "1700000000000000", "erp_document": "'1/1'", "fence": "1"}
    columns = {"external_reference": reference, "document_key": key, **content, **posting, **sent}
    yield _insert("postings", columns, f"{series} ORDER BY 1")
    lane = {"system": "'sap'", "plant": "'P1'", "order_id": order, "tier": "1", "fence": "1"}
    yield _insert("lanes", lane, f"{series} WHERE i % {PER_ORDER} = 0 ORDER BY i")
    for before, after in (("pending", "in_flight"), ("in_flight", "booked")):
        change = {"at": "1700000000000000", "who": "'poster'", "from_status": f"'{before}'", "to_status": f"'{after}'"}
        named = {"external_reference": "external_reference", "document_key": "document_key"}
        yield _insert("audit", {**named, **change}, "postings")


def _insert(table: str, columns: dict[str, str], source: str) -> str:
    # Nothing in it comes from outside of this module.
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM {source}"  # noqa: S608


def _escaped(statement: str) -> str:
    """A colon in the JSON is no parameter."""
    return statement.replace("::", "\x00").replace(":", r"\:").replace("\x00", r"\:\:")


def cost(url: str, rounds: int, first: int) -> Result:
    """Wall and CPU time of one posting in the ledger alone: put, taken in, claimed, recorded.

    Args:
        url: Ledger.
        rounds: The median of so many counts.
        first: Number of the first order.
    """
    connector = create("sap_confirmation", {})
    rules = PostingRules(connector.quantum, connector.split)
    walls, cpus = [], []
    with Ledger(url, who="bench") as ledger:
        for number in range(rounds):
            start = first + number * _ROUND
            ledger.put_desired(confirmation(1, f"{start + each}") for each in range(_ROUND))
            ledger.intake(lambda plant, kind: "sap")  # noqa: ARG005
            began, cpu = time.perf_counter(), cpu_seconds()
            while steps := ledger.claim("sap", _CLAIM, rules):
                ledger.record_outcomes([Outcome(step, Status.BOOKED, erp_document="1/1") for step in steps])
            walls.append((time.perf_counter() - began) / _ROUND)
            cpus.append((cpu_seconds() - cpu) / _ROUND)
    return {"ms": 1000 * median(walls), "cpu_ms": 1000 * median(cpus)}
