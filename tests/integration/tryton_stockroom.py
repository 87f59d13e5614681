"""Stock of a plant whose ERP is Tryton: records of what happened, and what the flows make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

from sinks.ledger import LedgerPartition
from tests.flows import movement_memory, stock_memory
from tests.flows.memory import Script, batch
from tests.flows.stock_records import (
    START,
    Record,
    answer,
    balance,
    issue,
    material,
    notice,
    order,
    receipt,
)
from tests.integration.tryton_buyer import Buyer
from tests.integration.tryton_plant import PLANT
from tests.servers import Tryton

UNITS = {"BAR": "KGM", "RIVET": "C62", "GREASE": "LTR"}
#: (s, S) by material.
LEVELS = {"BAR": (100, 600), "RIVET": (500, 2050), "GREASE": (5, 40)}
STORE, SUPPLIER = "STO", "ACME"


class Stockroom:
    """Records in the order in which they came, half an hour of event time apart.

    Args:
        erp: Whose stock is the first balance.
    """

    def __init__(self, erp: Tryton) -> None:
        self._erp = erp
        self._steps = count(1)
        self.records: list[Record] = []
        self.counted()

    def counted(self) -> None:
        """The ERP tells its balance of every material."""
        minutes = self._minutes()
        self.records += [
            balance(minutes, int(amount), **self._of(name), balance_key=f"{PLANT}|{name}")
            for name, amount in self.in_erp().items()
        ]

    def use(self, *quantities: tuple[str, int]) -> None:
        """Issues, one after the other."""
        for name, quantity in quantities:
            minutes = self._minutes()
            self.records.append(issue(int(minutes), minutes, quantity, batch=None, **self._of(name)))

    def ordered(self, line: Mapping[str, Any]) -> None:
        """The order of a purchase line, and its acknowledgement."""
        agreed = {
            **self._item(line),
            "supplier": line["purchase"]["party"]["code"],
            "delivery_date": line["requests"][0]["supply_date"],
            "price": line["unit_price"],
            "currency": line["purchase"]["currency"]["code"],
        }
        quantity = int(line["quantity"])
        self.records.append(order(self._minutes(), quantity, **agreed, request_number=line["description"]))
        del agreed["storage_location"]  # a supplier does not know it
        self.records.append(answer(self._minutes(), quantity, **agreed))

    def comes(self, buyer: Buyer, line: Mapping[str, Any], quantity: Decimal | None = None) -> None:
        """A purchase line, or a part of it, is shipped, told, taken in and told again."""
        item, sent = self._item(line), buyer.shipment(line, quantity)
        self.records.append(notice(sent["number"], self._minutes(), int(sent["quantity"]), **item))
        there = buyer.receive(sent, START.date())
        name = there["number"]
        self.records.append(receipt(name, self._minutes(), int(there["quantity"]), name, **item))

    def judge(self, heard: stock_memory.Heard | None = None) -> stock_memory.Heard:
        """What the replenishment flow says of all records, read from their start."""
        rules = [
            {"material": name, "reorder_point": low, "order_up_to": high, "supplier": SUPPLIER, "lead_time_mean": 3}
            for name, (low, high) in LEVELS.items()
        ]
        found, config = heard or stock_memory.Heard(), stock_memory.settings(rules=rules)
        stock_memory.run(config, [stock_memory.polled(self.records)], found, materials=_materials())
        return found

    def asked(self) -> dict[str, Decimal]:
        """Quantity by request number of what the flow asks for."""
        return {record["request_number"]: record["quantity"] for record in self.judge().requests.values()}

    def request(self, ledger: str) -> None:
        """The replenishment flow reads everything from its start, and its requests go into the ledger."""
        asked = _Requests()
        self.judge(asked)
        _write(ledger, "replenishment", asked.batches)

    def post(self, ledger: str) -> None:
        """Consumption goes into the ledger as goods movements."""
        moved = _Movements()
        used = [record for record in self.records if record["event_id"].startswith("c")]
        polls = [batch("MaterialConsumption", [record], 0, offset) for offset, record in enumerate(used)]
        movement_memory.run(movement_memory.settings(), Script([polls], [batch("Material", _materials(), 0, 0)]), moved)
        _write(ledger, "goods_movements", moved.batches)

    def stages(self) -> dict[str, str]:
        """Stage of every open request by its number."""
        return {
            name.removeprefix("request|"): entry["content"]["stage"]
            for (_, name), entry in self.judge().standings.items()
            if name.startswith("request|") and entry["content"] is not None
        }

    def projected(self) -> dict[str, Decimal]:
        """Stock on hand as the flow has it."""
        told = self.judge().standings
        return {name: Decimal(told[PLANT, f"stock|{name}|{STORE}"]["content"]["on_hand"]) for name in UNITS}

    def in_erp(self) -> dict[str, Decimal]:
        """Stock on hand as Tryton has it."""
        there = self._erp.stocks(STORE)
        return {name: there[name] for name in UNITS}

    def requests(self) -> dict[str, int]:
        """Id of every purchase request of the ERP for these materials by what it says it is for."""
        return {record["description"]: record["id"] for record in self._purchase_requests()}

    def bought(self) -> list[tuple[str, Decimal, str]]:
        """What the ERP's purchase requests say they are for, with quantity and state, sorted."""
        return sorted((each["description"], each["quantity"], each["state"]) for each in self._purchase_requests())

    def _purchase_requests(self) -> list[Record]:
        fields = ("description", "quantity", "state")
        return self._erp.read("purchase.request", [["product.code", "in", list(UNITS)]], fields)

    def _item(self, line: Mapping[str, Any]) -> dict[str, str]:
        bought = {"purchase_order": line["purchase"]["number"], "item": str(line["id"])}
        return {**self._of(line["product"]["code"]), **bought}

    def _of(self, name: str) -> dict[str, str]:
        return {"material": name, "storage_location": STORE, "unit": UNITS[name]}

    def _minutes(self) -> float:
        return 30.0 * next(self._steps)


@dataclass
class _Requests(stock_memory.Heard):
    batches: list[Any] = field(default_factory=list)

    def take(self, items: list[Any]) -> None:
        super().take(items)
        self.batches += items


@dataclass
class _Movements(movement_memory.Book):
    batches: list[Any] = field(default_factory=list)

    def take(self, items: list[Any]) -> None:
        self.batches += items


def _write(ledger: str, flow: str, batches: list[Any]) -> None:
    partition = LedgerPartition(ledger, flow)
    partition.write_batch(batches)
    partition.close()


def _materials() -> list[Record]:
    return [{**material(name), "base_unit": unit, "conversions": []} for name, unit in UNITS.items()]
