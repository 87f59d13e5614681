"""Schema version 5: a posting's changes are found by its document, no longer by its random reference."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Name the document in each change of a posting, and index by it alone; takes minutes for millions of postings."""
    op.drop_index("audit_posting", "audit")
    op.drop_index("audit_document", "audit")
    op.execute(
        "UPDATE audit SET document_key = postings.document_key FROM postings"
        " WHERE postings.external_reference = audit.external_reference AND audit.document_key IS NULL"
    )
    condition = sa.text("document_key IS NOT NULL")
    op.create_index("audit_document", "audit", ["document_key"], sqlite_where=condition, postgresql_where=condition)
    op.execute("UPDATE schema_version SET version = 5")
