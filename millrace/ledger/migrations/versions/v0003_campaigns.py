"""Schema version 3: campaigns over dead letters, and an index of totals that may still become documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_WAITING = sa.text("kind = 'TOTAL' AND state IN ('open', 'replayed')")
_OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Add what bulk work on dead letters keeps."""
    op.create_table(
        "campaigns",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("selection", sa.Text, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("cursor", sa.String, nullable=False),
        sa.Column("intent", sa.Text),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("skipped", sa.BigInteger, nullable=False),
        sa.Column("runner", sa.String, nullable=False),
        sa.Column("beat_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index("campaigns_open", "campaigns", ["action"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index(
        "dead_letters_waiting", "dead_letters", ["document_key"], sqlite_where=_WAITING, postgresql_where=_WAITING
    )
    op.execute("UPDATE schema_version SET version = 3")
