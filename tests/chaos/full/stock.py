"""What was taken from stock in four places: the plain sum, desired and booked in the ledger, and the ERP itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, select

from millrace.ledger.goods_movement import KIND
from millrace.ledger.records import QUANTITY
from millrace.ledger.tables import documents
from millrace.ledger.text import load_json, load_quantities
from tests.chaos.full.movements import MATERIALS, STORE
from tests.servers.tryton import Tryton


@dataclass(frozen=True, slots=True)
class Issue:
    """One material.

    Args:
        material: Material number.
        truth: Plain sum over the distinct events.
        desired: As the ledger desires it.
        booked: As the ledger takes it for booked.
        erp: What the ERP's stock has fallen by.
    """

    material: str
    truth: Decimal
    desired: Decimal
    booked: Decimal
    erp: Decimal

    @property
    def differences(self) -> list[Decimal]:
        """Each place less the truth."""
        return [place - self.truth for place in (self.desired, self.booked, self.erp)]

    def __str__(self) -> str:
        return (
            f"{self.material}: truth {self.truth:f}, desired {self.desired:f}, booked {self.booked:f}, ERP {self.erp:f}"
        )


def of(erp: Tryton) -> dict[str, Decimal]:
    """Stock by material, as the ERP says."""
    return {material: erp.stock(material, STORE) for material, _, _ in MATERIALS}


def issues(
    truth: Mapping[str, Decimal], connection: Connection, before: Mapping[str, Decimal], after: Mapping[str, Decimal]
) -> Iterator[Issue]:
    """Each material in the four places."""
    desired: dict[str, Decimal] = defaultdict(Decimal)
    booked: dict[str, Decimal] = defaultdict(Decimal)
    columns = (documents.c.attributes, documents.c.quantities, documents.c.booked)
    for attributes, wanted, done in connection.execute(select(*columns).where(documents.c.kind == KIND)):
        material = load_json(attributes)["material"]
        desired[material] += load_quantities(wanted).get(QUANTITY, Decimal(0))
        booked[material] += load_quantities(done).get(QUANTITY, Decimal(0))
    for material in sorted(before):
        fallen = before[material] - after[material]
        yield Issue(material, truth.get(material, Decimal(0)), desired[material], booked[material], fallen)
