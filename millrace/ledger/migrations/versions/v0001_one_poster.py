"""Tables of schema version 1: documents, lanes, postings, dead letters, audit and the flows' counts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_OPEN = "status IN ('pending', 'in_flight', 'accepted', 'unknown')"


def upgrade() -> None:
    """Create the tables of the first version."""
    op.create_table("schema_version", sa.Column("version", sa.Integer, primary_key=True))
    _documents()
    _lanes()
    _postings()
    _dead_letters()
    _audit()
    op.create_table(
        "flow_counts",
        sa.Column("flow", sa.String(64), primary_key=True),
        sa.Column("lane", sa.String(64), primary_key=True),
        sa.Column("counts", sa.Text, nullable=False),
    )
    op.execute("INSERT INTO schema_version (version) VALUES (1)")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("key", _NAME, primary_key=True),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("system", _NAME),
        sa.Column("plant", _NAME, nullable=False),
        sa.Column("order_id", _NAME, nullable=False),
        sa.Column("operation", _NAME, nullable=False),
        sa.Column("sort_key", _NAME, nullable=False),
        sa.Column("tier", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("reference_version", sa.BigInteger, nullable=False),
        sa.Column("quantities", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
        sa.Column("payload_hash", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("waits_for", sa.String),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("booked", sa.Text, nullable=False),
        sa.Column("booked_final", sa.Boolean, nullable=False),
        sa.Column("correlation_id", sa.String),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("documents_new", "documents", ["plant", "kind"], **_where("state = 'new'"))
    op.create_index(
        "documents_unsettled",
        "documents",
        ["order_id", "plant", "state", "sort_key", "key"],
        **_where("state <> 'settled'"),
    )
    op.create_index("documents_order", "documents", ["order_id"])


def _lanes() -> None:
    op.create_table(
        "lanes",
        sa.Column("system", _NAME, primary_key=True),
        sa.Column("plant", _NAME, primary_key=True),
        sa.Column("order_id", _NAME, primary_key=True),
        sa.Column("tier", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("claimed", sa.Boolean, nullable=False),
    )
    op.create_index("lanes_due", "lanes", ["system", "tier", "due_at"], **_where("due_at IS NOT NULL"))


def _postings() -> None:
    op.create_table(
        "postings",
        sa.Column("external_reference", _NAME, primary_key=True),
        sa.Column("document_key", _NAME, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("reverses", _NAME),
        sa.Column("reverses_document", sa.String),
        sa.Column("system", _NAME, nullable=False),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("plant", _NAME, nullable=False),
        sa.Column("order_id", _NAME, nullable=False),
        sa.Column("operation", _NAME, nullable=False),
        sa.Column("quantities", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("reference_version", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("erp_document", sa.String),
        sa.Column("reason", sa.String),
        sa.Column("detail", sa.Text),
        sa.Column("correlation_id", sa.String),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("postings_document", "postings", ["document_key", "step"], unique=True)
    op.create_index("postings_order", "postings", ["order_id"])
    op.create_index("postings_open", "postings", ["system", "order_id"], **_where(_OPEN))


def _dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("event_id", _NAME, primary_key=True),
        sa.Column("event_time", sa.BigInteger, nullable=False),
        sa.Column("plant", _NAME, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("sequence", sa.BigInteger),
        sa.Column("correlation_id", sa.String),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("document_key", _NAME),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
    )
    op.create_index("dead_letters_document", "dead_letters", ["document_key"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("external_reference", _NAME, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("from_status", sa.String),
        sa.Column("to_status", sa.String, nullable=False),
        sa.Column("why", sa.Text),
    )
    op.create_index("audit_posting", "audit", ["external_reference"])
