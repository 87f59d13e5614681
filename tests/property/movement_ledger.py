"""A shard of goods movements over a ledger: what it announces is written, and what the ledger desires is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from sqlalchemy import select

from millrace.ledger import Ledger
from millrace.ledger.tables import dead_letters, documents
from operators.clock import Tick
from operators.movement_documents import MovementConfig, MovementDocuments, MovementsOutput
from operators.movement_reference import MovementReference
from sinks.ledger import LedgerPartition
from sinks.movement_batches import of_movements
from tests.unit.test_movement_state import ALL


class MovementLedger:
    """A flow's life over a ledger that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self._sink = LedgerPartition(self.url, "goods_movements")

    def life(self, given: Iterable[MovementReference | Tick], state: MovementDocuments | None = None) -> None:
        """Take these one by one, each written before the next."""
        documents = state or MovementDocuments(MovementConfig(ALL))
        for value in given:
            output = MovementsOutput()
            documents.batch([value], output)
            self._sink.write_batch([of_movements(output, "goods_movements")])

    def desired(self) -> dict[tuple[str, str], Decimal]:
        """Quantity by movement and material that the ledger wants in the ERP."""
        total: Counter[tuple[str, str]] = Counter()
        query = select(documents.c.attributes, documents.c.quantities).where(~documents.c.cancelled)
        with Ledger(self.url, who="test") as ledger:
            for attributes, quantities in ledger.ask(lambda connection: connection.execute(query).all()):
                named = json.loads(attributes)
                total[named["movement"], named["material"]] += Decimal(json.loads(quantities).get("quantity", 0))
        return {key: value for key, value in total.items() if value}

    def letters(self) -> list[tuple[str, str]]:
        """Reason and state of each dead letter."""
        query = select(dead_letters.c.reason, dead_letters.c.state).order_by(dead_letters.c.event_id)
        with Ledger(self.url, who="test") as ledger:
            return [tuple(row) for row in ledger.ask(lambda connection: connection.execute(query).all())]

    def close(self) -> None:
        """Give the connections back."""
        self._sink.close()
