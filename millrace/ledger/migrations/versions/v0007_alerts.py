"""Schema version 7: alerts of posters, and where the pieces of a total without a job were found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table of alerts and a column to dead letters."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", _NAME, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("plant", _NAME, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("error_class", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("correlation_id", sa.String),
    )
    op.create_index("alerts_event", "alerts", ["event_id"], unique=True)
    op.create_index("alerts_at", "alerts", ["at"])
    op.add_column("dead_letters", sa.Column("found_in", sa.Text))
    op.execute("UPDATE schema_version SET version = 7")


def downgrade() -> None:
    """Give up the alerts that are kept (they were published), and where pieces of totals were found."""
    op.drop_column("dead_letters", "found_in")
    op.drop_index("alerts_at", "alerts")
    op.drop_index("alerts_event", "alerts")
    op.drop_table("alerts")
    op.execute("UPDATE schema_version SET version = 6")
