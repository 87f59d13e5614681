"""A shard of goods movements over a ledger: what it announces is written, and what the ledger desires is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import polars as pl
from sqlalchemy import select

from millrace.ledger import Ledger
from millrace.ledger.tables import dead_letters, documents
from operators.backflush_rules import BackflushRules
from operators.clock import Tick
from operators.movement_documents import MovementConfig, MovementDocuments, MovementsOutput
from operators.movement_reference import MovementReference
from sinks.ledger import LedgerPartition
from sinks.movement_batches import of_movements
from tests.unit.test_movement_state import ALL


class MovementLedger:
    """A flow's life over a ledger that outlives it."""

    def __init__(self, folder: Path, rules: BackflushRules | None = ALL) -> None:
        self._rules = rules or BackflushRules()
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self._sink = LedgerPartition(self.url, "goods_movements")

    def life(self, given: Iterable[MovementReference | Tick | pl.DataFrame], *, at_once: bool = False) -> None:
        """Take these one by one, each written before the next, or all written together."""
        documents, batches = MovementDocuments(MovementConfig(self._rules)), []
        for value in given:
            output = MovementsOutput()
            documents.batch([value], output)
            batches.append(of_movements(output, "goods_movements"))
        for some in [batches] if at_once else [[each] for each in batches]:
            self._sink.write_batch(some)

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

    def events(self) -> list[int]:
        """Events that each dead letter stands for."""
        query = select(dead_letters.c.events).order_by(dead_letters.c.event_id)
        with Ledger(self.url, who="test") as ledger:
            return list(ledger.ask(lambda connection: connection.scalars(query).all()))

    def close(self) -> None:
        """Give the connections back."""
        self._sink.close()
