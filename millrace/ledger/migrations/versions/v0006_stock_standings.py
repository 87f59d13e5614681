"""Schema version 6: how places of stock and open requests stand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table."""
    name = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "stock_standings",
        sa.Column("plant", name, primary_key=True),
        sa.Column("name", name, primary_key=True),
        sa.Column("material", name, nullable=False),
        sa.Column("storage_location", name, nullable=False),
        sa.Column("instant", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("stock_standings_material", "stock_standings", ["material", "plant"])
    op.execute("UPDATE schema_version SET version = 6")


def downgrade() -> None:
    """Drop the table; a flow of replenishment fills it again from its state."""
    op.drop_index("stock_standings_material", "stock_standings")
    op.drop_table("stock_standings")
    op.execute("UPDATE schema_version SET version = 5")
