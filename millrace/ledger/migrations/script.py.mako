"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Change the tables; the same for SQLite and PostgreSQL."""
    ${upgrades if upgrades else "raise NotImplementedError"}
