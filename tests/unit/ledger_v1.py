"""A ledger of schema version 1 with data, as the first version left it."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, Table, create_engine, text

from millrace.ledger.schema import MIGRATIONS

QUANTITIES = '{"yield":"5"}'


def make_v1(url: str) -> None:
    """Tables of version 1, which knew no Alembic, and one document in each state of interest."""
    engine = create_engine(url)
    with engine.begin() as connection:
        _tables(connection)
        _fill(connection)
    engine.dispose()


def _tables(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    connection.execute(text("DROP TABLE alembic_version"))


def _fill(connection: Connection) -> None:
    metadata = MetaData()
    tables = {
        name: Table(name, metadata, autoload_with=connection)
        for name in ("documents", "lanes", "postings", "dead_letters", "audit")
    }
    for name, rows in _rows().items():
        connection.execute(tables[name].insert(), rows)


def _rows() -> dict[str, list[dict[str, object]]]:
    booked, in_flight = _document(1, "settled", booked=QUANTITIES), _document(2, "open")
    return {
        "documents": [booked, in_flight],
        "lanes": [
            {"system": "sap", "plant": "P1", "order_id": "1000001", "tier": 1, "due_at": None, "claimed": False},
            {"system": "sap", "plant": "P1", "order_id": "1000002", "tier": 1, "due_at": 5, "claimed": True},
        ],
        "postings": [_posting(booked, "booked"), _posting(in_flight, "in_flight")],
        "dead_letters": [_letter("solved", 9), _letter("unsolved", None)],
        "audit": [
            {"external_reference": f"r-{n}", "at": 4, "who": "poster", "from_status": None, "to_status": "in_flight"}
            for n in (1, 2)
        ],
    }


def _document(number: int, state: str, booked: str = "{}") -> dict[str, object]:
    return {
        "key": f"P1|100000{number}|0010|1",
        "kind": "ProductionConfirmation",
        "system": "sap",
        "plant": "P1",
        "order_id": f"100000{number}",
        "operation": "0010",
        "sort_key": "1",
        "tier": 1,
        "revision": 1,
        "reference_version": 1,
        "quantities": QUANTITIES,
        "attributes": '{"operation":"0010"}',
        "final": False,
        "payload_hash": "x",
        "state": state,
        "steps": 1,
        "booked": booked,
        "booked_final": False,
        "created_at": 3,
        "updated_at": 4,
    }


def _posting(document: dict[str, object], status: str) -> dict[str, object]:
    same = ("system", "kind", "plant", "order_id", "operation", "quantities", "attributes", "final", "revision")
    return {
        **{name: document[name] for name in (*same, "reference_version", "created_at", "updated_at")},
        "external_reference": f"r-{str(document['order_id'])[-1]}",
        "document_key": document["key"],
        "step": 1,
        "action": "book",
        "status": status,
        "attempts": 1,
        "failures": 0,
        "sent_at": 4,
    }


def _letter(name: str, resolved_at: int | None) -> dict[str, object]:
    return {
        "event_id": name,
        "event_time": 3,
        "plant": "P1",
        "source": "poster",
        "kind": "POSTING",
        "reason": "M7/021",
        "detail": "deficit",
        "topic": "sap",
        "partition": 0,
        "offset": 0,
        "document_key": "P1|1000002|0010|1",
        "revision": 1,
        "events": 1,
        "payload": b"{}",
        "resolved_at": resolved_at,
    }
