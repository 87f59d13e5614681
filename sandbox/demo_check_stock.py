"""What a demo's folder says of materials: movements, projections and requests, each from its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from millrace.ledger import Ledger, goods_movement, requisition, stock_standings
from millrace.ledger.records import QUANTITY
from millrace.ledger.tables import documents
from millrace.ledger.text import load_json, load_quantities
from sandbox.demo_settings import MOVEMENTS, REPLENISHMENT
from sandbox.erp_entities import Entities
from sandbox.plant_components import COMPONENTS
from sandbox.plant_layout import ALL_TOPICS, TOPICS
from sandbox.reconcile_materials import Found, Movement, Request
from schemas.contracts import contract
from sinks.history.reading import plan
from sinks.history.store import scan

#: SAP's movement types, as the plant names them.
_TYPES = {"261": "ISSUE", "262": "RETURN", "551": "SCRAP"}
#: Contracts by flow, with the references that it reads.
READ = {
    MOVEMENTS: ("MaterialConsumption", "Material"),
    REPLENISHMENT: (
        *("InventoryBalance", "MaterialConsumption", "QualityEvent", "GoodsReceipt", "PurchaseOrder"),
        *("OrderAcknowledgement", "ShipmentNotice", "Material"),
    ),
}
PROJECTIONS = contract("StockProjection").topic


def gather(ledger: Ledger, entities: Entities, history: Path) -> Found:
    """Everything that is to be compared with the plain sums."""
    return Found(
        ledger=ledger.ask(_desired),
        erp=_booked(entities),
        shown=ledger.ask(_shown),
        announced=ledger.ask(_announced),
        asked=_asked(entities),
        history={
            material: [(row["projected"], row["order_up_to"]) for row in rows]
            for material, rows in projections(history).items()
        },
    )


def projections(history: Path) -> dict[str, list[dict[str, Any]]]:
    """Component -> rows of StockProjection in the history, by instant."""
    files = plan(history, PROJECTIONS).files
    if not files:
        return {}
    rows = scan(files, hive_partitioning=False, extra_columns="ignore").sort("event_time").collect()
    return {str(name): part.to_dicts() for (name,), part in rows.partition_by("material", as_dict=True).items()}


def requests(connection: Connection) -> list[Mapping[str, Any]]:
    """Requests of the ledger: attributes with `quantity`, `state` and when they were made."""
    columns = documents.c
    query = select(columns.key, columns.quantities, columns.attributes, columns.state)
    rows = connection.execute(query.where(columns.kind == requisition.KIND).order_by(columns.key))
    return [
        {**load_json(attributes), "number": key, "quantity": _quantity(quantities), "state": state}
        for key, quantities, attributes, state in rows
    ]


def expected_topics() -> dict[str, str]:
    """Topic by contract of what the flow of replenishment reads and nobody else does."""
    return {name: ALL_TOPICS[name] for name in READ[REPLENISHMENT] if name not in TOPICS}


def _quantity(text: str) -> Decimal:
    return load_quantities(text).get(QUANTITY, Decimal(0))


def _desired(connection: Connection) -> dict[Movement, Decimal]:
    totals: dict[Movement, Decimal] = defaultdict(Decimal)
    query = select(documents.c.quantities, documents.c.attributes).where(documents.c.kind == goods_movement.KIND)
    for quantities, attributes in connection.execute(query):
        of = load_json(attributes)
        totals[of.get("order_id", ""), of["material"], of["movement"]] += _quantity(quantities)
    return dict(totals)


def _booked(entities: Entities) -> dict[Movement, Decimal]:
    totals: dict[Movement, Decimal] = defaultdict(Decimal)
    for item in entities.find("A_MaterialDocumentItem", {}):
        sign = -1 if item.get("ReversedMaterialDocument") else 1
        kind = _TYPES.get(item["GoodsMovementType"], item["GoodsMovementType"])
        key = (item.get("ManufacturingOrder") or "", item["Material"], kind)
        totals[key] += sign * Decimal(str(item["QuantityInEntryUnit"]))
    return dict(totals)


def _shown(connection: Connection) -> dict[str, dict[str, Decimal]]:
    return {name: dict(values) for name, values in _standings(connection)}


def _standings(connection: Connection) -> Iterator[tuple[str, dict[str, Decimal]]]:
    for component in COMPONENTS:
        for entry in stock_standings.of_material(connection, component.material):
            if entry["name"].startswith("stock|"):
                names = ("on_hand", "quality_hold", "blocked", "projected")
                yield component.material, {name: Decimal(entry["content"][name] or "0") for name in names}


def _announced(connection: Connection) -> list[Request]:
    return [Request(each["request_number"], each["material"], each["quantity"]) for each in requests(connection)]


def _asked(entities: Entities) -> list[Request]:
    items = entities.find("A_PurchaseRequisitionItem", {})
    return [
        Request(item["PurchaseRequisitionItemText"], item["Material"], Decimal(str(item["RequestedQuantity"])))
        for item in items
        if not item["IsDeleted"]
    ]


__all__ = ["PROJECTIONS", "READ", "expected_topics", "gather", "projections", "requests"]
