"""What a run looks like from outside, asked of the ledger."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from millrace.ledger import Ledger
from millrace.ledger.queries import dead_letters_by_reason, documents_by_state, postings_by_status, unfinished
from millrace.ledger.tables import documents
from sandbox.demo_check import CHECKED
from sandbox.demo_settings import FLOW
from sandbox.plant_layout import TOPICS


class Outside:
    """Answers from the ledger, compared with what was sent.

    Args:
        ledger: The ledger of the run.
        sent: Records that the broker took, by topic; it grows.
    """

    def __init__(self, ledger: Ledger, sent: Mapping[str, int]) -> None:
        self._ledger, self._sent = ledger, sent

    def sent(self) -> int:
        """Records that the broker took."""
        return sum(self._sent.get(TOPICS[name], 0) for name in CHECKED)

    def read(self) -> int:
        """Records that the flow has counted as read."""
        totals = self._ledger.flow_totals(FLOW)
        return sum(totals.get(f"read:{name}", 0) for name in CHECKED)

    def documents(self) -> int:
        """Documents that the flow has announced."""
        return sum(self._ledger.ask(documents_by_state).values())

    def booked(self) -> int:
        """Postings that the ERP has confirmed."""
        return self._ledger.ask(postings_by_status).get("booked", 0)

    def unfinished(self) -> int:
        """Documents that are still to be booked."""
        return self._ledger.unfinished()

    def fingerprint(self) -> tuple[object, ...]:
        """Changes whenever the flow announces or the poster books something."""
        return self._ledger.ask(_fingerprint)

    def is_done(self) -> bool:
        """Whether everything sent was read and everything announced is booked."""
        return self.read() == self.sent() and not self.unfinished()


def _fingerprint(connection: Connection) -> tuple[object, ...]:
    revisions = connection.execute(select(func.sum(documents.c.revision), func.max(documents.c.updated_at))).one()
    counted = (postings_by_status, documents_by_state, dead_letters_by_reason, unfinished)
    return (*revisions, *(str(query(connection)) for query in counted))
