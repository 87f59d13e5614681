"""Schema version 2: leases with fences, declared dependencies, dead letters with a state, a wider audit."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Add what several posters need; what the only poster of version 1 had claimed may be taken over at once."""
    _documents()
    _lanes()
    op.add_column("postings", _column("fence", sa.BigInteger, "0"))
    _dead_letters()
    _audit()
    _archive()
    op.execute("UPDATE schema_version SET version = 2")


def _column(name: str, kind: Any, default: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _documents() -> None:
    op.add_column("documents", _column("requires", sa.Text, "[]"))
    op.add_column("documents", sa.Column("waits_since", sa.BigInteger))
    op.add_column("documents", _column("cancelled", sa.Boolean, sa.false()))
    op.add_column("documents", _column("open_since", sa.BigInteger, "0"))
    op.execute("UPDATE documents SET open_since = updated_at")
    op.execute("UPDATE documents SET waits_since = updated_at WHERE waits_for IS NOT NULL")
    op.drop_index("documents_new", "documents")
    op.create_index("documents_new", "documents", ["tier", "plant", "kind"], **_where("state = 'new'"))


def _lanes() -> None:
    op.add_column("lanes", sa.Column("lease_owner", sa.String))
    op.add_column("lanes", sa.Column("lease_until", sa.BigInteger))
    op.add_column("lanes", _column("fence", sa.BigInteger, "0"))
    lanes = sa.table("lanes", sa.column("claimed", sa.Boolean), sa.column("lease_owner"), sa.column("lease_until"))
    op.execute(lanes.update().where(lanes.c.claimed).values(lease_owner="version 1", lease_until=0))
    op.drop_column("lanes", "claimed")


def _dead_letters() -> None:
    op.add_column("dead_letters", _column("error_class", sa.String, "application"))
    op.add_column("dead_letters", _column("owner", sa.String, ""))
    op.add_column("dead_letters", _column("state", sa.String, "open"))
    op.add_column("dead_letters", _column("state_at", sa.BigInteger, "0"))
    op.add_column("dead_letters", _column("replays", sa.Integer, "0"))
    op.execute("UPDATE dead_letters SET state_at = event_time")
    op.execute("UPDATE dead_letters SET state = 'resolved', state_at = resolved_at WHERE resolved_at IS NOT NULL")
    op.execute("UPDATE dead_letters SET error_class = 'mapping' WHERE kind = 'RECORD'")
    op.execute("UPDATE dead_letters SET error_class = 'partner_data' WHERE kind = 'TOTAL'")
    op.execute(
        "UPDATE dead_letters SET state = 'parked' WHERE state = 'open' AND kind = 'POSTING' AND EXISTS"
        " (SELECT 1 FROM documents WHERE documents.key = dead_letters.document_key AND documents.state = 'parked')"
    )
    op.drop_column("dead_letters", "resolved_at")
    op.create_index("dead_letters_open", "dead_letters", ["event_time"], **_where("state = 'open'"))


def _audit() -> None:
    with op.batch_alter_table("audit") as batch:
        batch.alter_column("external_reference", nullable=True)
        batch.add_column(sa.Column("document_key", _NAME))
        batch.add_column(sa.Column("letter_id", _NAME))
    op.create_index("audit_document", "audit", ["document_key"], **_where("document_key IS NOT NULL"))
    op.create_index("audit_letter", "audit", ["letter_id"], **_where("letter_id IS NOT NULL"))


def _archive() -> None:
    op.create_table(
        "tombstones",
        sa.Column("unit", _NAME, primary_key=True),
        sa.Column("batch", sa.String, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "archives",
        sa.Column("batch", _NAME, primary_key=True),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("documents", sa.Integer, nullable=False),
        sa.Column("postings", sa.Integer, nullable=False),
        sa.Column("audit", sa.Integer, nullable=False),
    )
