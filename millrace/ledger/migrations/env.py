"""Alembic's way to the ledger: always over the connection that `millrace.ledger.schema` holds the lock on."""

from __future__ import annotations

from alembic import context

from millrace.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
