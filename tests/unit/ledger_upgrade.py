"""What has to hold after an upgrade from version 1, whatever the database."""

from __future__ import annotations

from decimal import Decimal

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select

from millrace.ledger import Ledger, Status
from millrace.ledger.tables import audit, dead_letters, metadata
from tests.conformance.erp_world import SYSTEM, document
from tests.unit.ledger_desk import claim, finish


def check_upgraded(url: str) -> None:
    """Open (and so upgrade) a ledger that `make_v1` made; what it holds goes on where it stood."""
    with Ledger(url, who="new") as ledger:
        assert ledger.ask(lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)) == []
        [step] = claim(ledger)
        assert (step.external_reference, step.status) == ("r-2", Status.UNKNOWN), "claimed by version 1: asked for"
        finish(ledger, [step])
        ledger.put_desired([document(1, "1000001", 2, **{"yield": "7"})])
        ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
        [more] = claim(ledger)
        assert dict(more.quantities) == {"yield": Decimal(2)}, "what version 1 has booked is not booked again"
        finish(ledger, [more])
        assert ledger.inconsistent() == []
        letters = ledger.ask(lambda c: c.execute(select(dead_letters.c.event_id, dead_letters.c.state)).all())
        assert dict(map(tuple, letters))["solved"] == "resolved"
        of_version_1 = select(audit.c.document_key).where(audit.c.who == "poster")
        assert ledger.ask(lambda c: c.scalars(of_version_1).all()) == [f"P1|100000{n}|0010|1" for n in (1, 2)], (
            "each change is found by its document"
        )
    Ledger(url).close()  # and nothing is left to do for the next process
