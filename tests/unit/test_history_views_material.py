"""Lots, bills of material and stock in the history, against plain sums over events made at random."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.history.catalog import views
from sinks.history.query import query
from sinks.parquet import HistoryWriter

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
NAMES = (
    "Material",
    "MachineCycle",
    "MaterialConsumption",
    "WorkOrder",
    "GoodsReceipt",
    "PurchaseOrder",
    "QualityEvent",
    "InventoryBalance",
)
COMMON = {
    "plant": "P1",
    "source": "S",
    "storage_location": "RM01",
    "unit": "C62",
    "work_center": "W1",
    "operation": "0010",
    "version": 1,
    "serials": [],
    "delivery_completed": False,
    "kind": "ISSUE",
    "reason": None,
}


class Written:
    """A history that events are written to, one by one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._writer = HistoryWriter(root, "flow", "lane-00", {n: contract(n).topic for n in NAMES}, lambda: "state")
        self._writer.restore(None)
        self._number = 0

    def write(self, name: str, minute: int, **values: Any) -> dict[str, Any]:
        self._number += 1
        identity = {"event_id": f"{name}-{self._number}", "event_time": START + timedelta(minutes=minute)}
        schema = polars_schema(contract(name))
        row = {column: {**COMMON, **identity, **values}.get(column) for column in schema}
        place = [pl.lit(65536, pl.Int32).alias("origin"), pl.lit(self._number, pl.Int64).alias("offset")]
        self._writer.write(name, pl.DataFrame([row], schema).with_columns(place))
        self._writer.sync()
        return row

    def order(self, order_id: str, material: str, components: list[dict[str, Any]] | None = None) -> None:
        more = {"status": "RELEASED", "quantity": Decimal(1), "under_tolerance": Decimal(0), "operations": []}
        self.write("WorkOrder", 0, order_id=order_id, material=material, components=components or [], **more)

    def ask(self, name: str, **parameters: str) -> list[dict[str, Any]]:
        return query(self.root, f"SELECT * FROM {name}", views()[name].variables(parameters)).to_dicts()  # noqa: S608


@pytest.fixture
def history(tmp_path: Path) -> Written:
    return Written(tmp_path)


def issue(history: Written, minute: int, material: str, lot: str, order: str, into: str, **more: Any) -> None:
    values = {
        "material": material,
        "batch": lot,
        "order_id": order,
        "output_batch": into,
        "quantity": Decimal(2),
        **more,
    }
    history.write("MaterialConsumption", minute, **values)


@pytest.fixture
def chain(history: Written) -> Written:
    """Steel S1 and S2 go into blanks B1, blanks and paint into housings H1 and H2; one issue is taken back."""
    bought = {"receipt_id": "R1", "receipt_item": "1", "status": "RECEIVED", "stock_type": "UNRESTRICTED"}
    place = {"purchase_order": "45001", "purchase_order_item": "10", "material": "STEEL"}
    history.write("GoodsReceipt", 0, batch="S1", quantity=Decimal(9), **bought, **place)
    terms = {"status": "ORDERED", "price": Decimal(1), "currency": "EUR", "quantity": Decimal(9)}
    history.write("PurchaseOrder", 0, supplier="MILLCO", **terms, **place)
    for order, material in (("O1", "BLANK"), ("O2", "HOUSING"), ("O3", "HOUSING")):
        history.order(order, material)
    issue(history, 10, "STEEL", "S1", "O1", "B1")
    issue(history, 11, "STEEL", "S2", "O1", "B1")
    issue(history, 12, "STEEL", "S9", "O1", "B1")
    issue(history, 13, "STEEL", "S9", "O1", "B1", kind="RETURN")
    issue(history, 20, "BLANK", "B1", "O2", "H1")
    issue(history, 21, "PAINT", "P7", "O2", "H1")
    issue(history, 30, "BLANK", "B1", "O3", "H2")
    return history


def test_a_lot_is_traced_back_to_what_suppliers_delivered(chain: Written) -> None:
    rows = chain.ask("lot_genealogy", batch="H1", direction="back")
    assert [(r["depth"], r["material"], r["batch"], r["supplier"]) for r in rows] == [
        (1, "BLANK", "B1", None),
        (1, "PAINT", "P7", None),
        (2, "STEEL", "S1", "MILLCO"),
        (2, "STEEL", "S2", None),
    ]
    assert rows[2]["path"] == "H1 > B1 > S1"


def test_a_lot_is_traced_forward_to_everything_that_was_made_of_it(chain: Written) -> None:
    rows = chain.ask("lot_genealogy", batch="S2", direction="FORWARD")
    assert [(r["depth"], r["material"], r["batch"], r["order_id"]) for r in rows] == [
        (1, "BLANK", "B1", "O1"),
        (2, "HOUSING", "H1", "O2"),
        (2, "HOUSING", "H2", "O3"),
    ]


def test_what_was_taken_back_as_a_whole_and_lots_in_a_circle_end_the_walk(chain: Written) -> None:
    assert chain.ask("lot_genealogy", batch="S9") == []
    issue(chain, 40, "HOUSING", "H1", "O1", "B1")
    back = chain.ask("lot_genealogy", batch="H1", direction="BACK")
    assert sorted(r["batch"] for r in back) == ["B1", "P7", "S1", "S2"]


def test_consumption_is_held_against_the_bill_for_what_was_made(history: Written) -> None:
    """Plain sums over events at random: two orders, three components, one of them in no bill, one never reported."""
    rng = Random(5)
    bills = {"SHEET": (Decimal(3), Decimal(2)), "SCREW": (Decimal(8), Decimal(1))}
    part = {
        "component_item": "1",
        "storage_location": "RM01",
        "unit": "C62",
        "erp_backflush": False,
        "operation": "0010",
    }
    parts = [{**part, "material": name, "numerator": n, "denominator": d} for name, (n, d) in bills.items()]
    made: dict[str, Decimal] = defaultdict(Decimal)
    used: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in ("O1", "O2"):
        history.order(order, "BOX", parts)
        for minute in range(5):
            good = Decimal(rng.randint(1, 9))
            made[order] += good
            counted = {"quantity_good": good, "quantity_scrap": Decimal(1), "quantity_rework": Decimal(0)}
            history.write("MachineCycle", minute, order_id=order, counting="DELTA", **counted)
            for component in ("SHEET", "TAPE"):
                kind = rng.choice(["ISSUE", "ISSUE", "RETURN", "SCRAP", "BY_PRODUCT"])
                amount = Decimal(rng.randint(1, 99)) / 10
                used[order, component] += {"RETURN": -amount, "BY_PRODUCT": Decimal(0)}.get(kind, amount)
                values = {"order_id": order, "material": component, "kind": kind, "quantity": amount}
                history.write("MaterialConsumption", minute, **values)
    rows = {(r["order_id"], r["component"]): r for r in history.ask("consumption_against_bom")}
    assert rows.keys() == {(order, name) for order in made for name in ("SHEET", "SCREW", "TAPE")}
    for (order, component), row in rows.items():
        numerator, denominator = bills.get(component, (None, None))
        expected = made[order] * numerator / denominator if numerator is not None else None
        assert (row["expected"], row["used"]) == (expected, used[order, component])
        assert row["difference"] == (None if expected is None else row["used"] - expected)
    assert {r["order_id"] for r in history.ask("consumption_against_bom", order="O2")} == {"O2"}


def test_stock_runs_from_balance_to_balance_and_tells_what_a_balance_did_not_expect(history: Written) -> None:
    stock = {"material": "STEEL"}
    history.write(
        "InventoryBalance", 1, as_of=START, unrestricted=Decimal(100), quality=Decimal(0), blocked=Decimal(0), **stock
    )
    history.write("MaterialConsumption", 10, quantity=Decimal(30), order_id="O1", **stock)
    receipt = {
        "receipt_id": "R1",
        "receipt_item": "1",
        "purchase_order": "45",
        "purchase_order_item": "1",
        "stock_type": "QUALITY",
    }
    history.write("GoodsReceipt", 20, status="RECEIVED", quantity=Decimal(50), **receipt, **stock)
    history.write("GoodsReceipt", 25, status="RECEIVED", quantity=Decimal(40), **{**receipt, **stock, "version": 2})
    history.write(
        "QualityEvent", 30, decision="RELEASE", notification_id="N1", order_id="", quantity=Decimal(25), **stock
    )
    at = START + timedelta(minutes=40)
    history.write(
        "InventoryBalance", 41, as_of=at, unrestricted=Decimal(93), quality=Decimal(15), blocked=Decimal(0), **stock
    )
    history.write("MaterialConsumption", 50, quantity=Decimal(3), kind="RETURN", order_id="O1", **stock)
    rows = history.ask("stock_timeline", material="STEEL")
    assert [(r["what"], r["on_hand_change"], r["on_hand"], r["quality"]) for r in rows] == [
        ("BALANCE", None, 100, 0),
        ("ISSUE", -30, 70, 0),
        ("RECEIPT", 0, 70, 50),
        ("RECEIPT", 0, 70, 40),
        ("RELEASE", 25, 95, 15),
        ("BALANCE", -2, 93, 15),
        ("RETURN", 3, 96, 15),
    ]


def test_stock_is_in_base_units_and_never_adds_units_that_nothing_converts(history: Written) -> None:
    stock = {"material": "STEEL", "storage_location": "RM1"}
    amounts = {"quality": Decimal(0), "blocked": Decimal(0), "unit": "GRM"}
    history.write("InventoryBalance", 1, as_of=START, unrestricted=Decimal(500_000), **amounts, **stock)
    history.write("MaterialConsumption", 10, kind="ISSUE", quantity=Decimal(30_000), order_id="O1", unit="GRM", **stock)
    history.write("MaterialConsumption", 20, kind="ISSUE", quantity=Decimal(20), order_id="O1", unit="KGM", **stock)
    found = [(r["unit"], r["on_hand"], r["balance_as_of"]) for r in history.ask("stock_timeline")]
    assert found == [("GRM", 500_000, START), ("GRM", 470_000, START), ("KGM", -20, None)]
    gram = {"unit": "GRM", "numerator": Decimal(1), "denominator": Decimal(1000)}
    history.write("Material", 0, material="STEEL", base_unit="KGM", conversions=[gram], version=1, description="")
    found = [(r["unit"], r["on_hand_change"], r["on_hand"]) for r in history.ask("stock_timeline")]
    assert found == [("KGM", None, 500), ("KGM", -30, 470), ("KGM", -20, 450)]


#: A view, the data that it is asked over, and what it forgets.
FORGETFUL = {
    "what was returned": ("lot_steps", "CASE c.kind WHEN 'RETURN' THEN -c.quantity ELSE c.quantity END", "c.quantity"),
    "that a lot has a history of its own": (
        "lot_genealogy",
        "UNION ALL\n    SELECT w.direction",
        "UNION ALL\n    SELECT NULL",
    ),
    "who delivered": ("lot_genealogy", "LEFT JOIN receipts r ON", "LEFT JOIN receipts r ON false AND"),
}


@pytest.mark.parametrize("forgotten", FORGETFUL)
def test_a_genealogy_that_forgets_something_differs(chain: Written, forgotten: str) -> None:
    """Control of the tests above."""
    view, right, wrong = FORGETFUL[forgotten]
    variables = {"batch": "B1" if view == "lot_steps" else "H1"}
    sql = views()[view].sql
    assert right in sql
    asked = [query(chain.root, each, variables) for each in (sql, sql.replace(right, wrong))]
    assert not asked[0].equals(asked[1])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("WHEN kind IN ('ISSUE', 'SCRAP') THEN -quantity", "WHEN kind = 'ISSUE' THEN -quantity"),
        ("WHEN status = 'RECEIVED' THEN quantity ELSE 0 END AS total,", "WHEN true THEN quantity END AS total,"),
        ("unit, total - before\n    FROM receipts", "unit, total\n    FROM receipts"),
    ],
)
def test_stock_that_forgets_scrap_cancellations_or_former_versions_differs(
    history: Written, right: str, wrong: str
) -> None:
    """Control: a receipt is corrected and then cancelled, and something is scrapped."""
    receipt = {"receipt_id": "R1", "receipt_item": "1", "purchase_order": "45", "purchase_order_item": "1"}
    for version, status, quantity in ((1, "RECEIVED", 50), (2, "RECEIVED", 40), (3, "CANCELLED", 40)):
        values = {**receipt, "version": version, "status": status, "stock_type": "UNRESTRICTED", "material": "STEEL"}
        history.write("GoodsReceipt", version, quantity=Decimal(quantity), **values)
    history.write("MaterialConsumption", 9, material="STEEL", kind="SCRAP", quantity=Decimal(3), order_id="O1")
    assert history.ask("stock_timeline")[-1]["on_hand"] == -3
    sql = views()["stock_movements"].sql
    assert right in sql
    total = "SELECT sum(change) AS total FROM ({})"
    assert query(history.root, total.format(sql))["total"].to_list() == [-3]
    assert query(history.root, total.format(sql.replace(right, wrong)))["total"].to_list() != [-3]


def test_stock_agrees_with_the_sum_of_signed_movements_at_random(history: Written) -> None:
    rng = Random(11)
    sign = {"ISSUE": -1, "SCRAP": -1, "RETURN": 1, "BY_PRODUCT": 1}
    on_hand: dict[str, Decimal] = defaultdict(Decimal)
    for minute in range(40):
        material, kind, amount = rng.choice(["A", "B"]), rng.choice(list(sign)), Decimal(rng.randint(1, 50)) / 4
        on_hand[material] += sign[kind] * amount
        history.write("MaterialConsumption", minute, material=material, kind=kind, quantity=amount, order_id="O1")
    rows = history.ask("stock_timeline")
    assert {r["material"]: r["on_hand"] for r in rows} == on_hand
    assert len(rows) == 40
    assert {r["balance_as_of"] for r in rows} == {None}
