"""Schema version 4: how far outcomes were published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the position of each published stream."""
    op.create_table(
        "published",
        sa.Column("stream", _NAME, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.execute("UPDATE schema_version SET version = 4")
