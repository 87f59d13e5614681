"""What stands behind the flow in tests: the posting ledger's rule of the highest version."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from operators.documents import DocumentsOutput
from tests.property.plant_records import Record


@dataclass
class Consumer:
    """Keeps the highest version per document, as the posting ledger does; survives every crash.

    Args:
        running: Negative control: a document's versions are numbered by a counter in the memory of the process.
        deaf: Negative control: it does not hear how orders stand, only what is announced of documents.
    """

    running: bool = False
    deaf: bool = False
    best: dict[str, Record] = field(default_factory=dict)
    given_up: list[Record] = field(default_factory=list)
    _count: Counter[str] = field(default_factory=Counter)

    def restart(self) -> None:
        self._count.clear()

    def take(self, output: DocumentsOutput) -> None:
        self.given_up += output.given_up
        for document in [row for part in output.confirmations for row in part.to_dicts()]:
            self._count[document["document_key"]] += 1
            if self.running:
                document["revision"] = self._count[document["document_key"]]
            known = self.best.get(document["document_key"])
            version = (document["revision"], document["reference_version"])
            if known is None or (known["revision"], known["reference_version"]) < version:
                self.best[document["document_key"]] = document
        for order in [row for part in output.orders for row in part.to_dicts() if not self.deaf]:
            self._stand(order)

    def _stand(self, order: Record) -> None:
        """All documents of a cancelled order are withdrawn, those of a released one count again."""
        for document in self.best.values():
            mine = (document["plant"], document["order_id"]) == (order["plant"], order["order_id"])
            if (
                mine
                and document["reference_version"] < order["version"]
                and document["withdrawn"] != order["cancelled"]
            ):
                document |= {"withdrawn": order["cancelled"], "reference_version": order["version"]}

    def totals(self, measure: str = "quantity_yield") -> dict[str, Decimal]:
        found: dict[str, Decimal] = defaultdict(Decimal)
        for document in self._wanted():
            found[document["order_id"]] += document[measure]
        return {name: amount for name, amount in found.items() if amount}

    def final(self) -> set[str]:
        return {document["order_id"] for document in self._wanted() if document["is_final"]}

    def _wanted(self) -> list[Record]:
        return [document for document in self.best.values() if not document["withdrawn"]]
