"""Stock by status from balances and movements, and what is said when the two disagree."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators import stock_movements
from operators.base_units import in_base_unit
from operators.partials import INSTANT, QUANTITY
from operators.references import Conversions
from operators.stock import MOVEMENT, REPORTED, STOCK_KEY, balances, merge_balances, merge_movements, retain, stock
from operators.stock_mismatch import Tolerance, stock_mismatches
from operators.stock_moved import EFFECTS, MOVED, expanded, sums
from schemas.contracts import contract
from schemas.samples import sample
from schemas.types import polars_schema

START = datetime(2026, 3, 2, tzinfo=UTC)
WHERE = {"plant": "DE01", "material": "STEEL-2", "storage_location": "RM01"}


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def of(name: str, *changes: dict[str, Any]) -> pl.DataFrame:
    """Rows of a contract: sample records with what the test is about."""
    records = [
        {**one, **WHERE, "batch": None, "unit": "KGM", "event_id": f"e{number}", **change}
        for number, (one, change) in enumerate(zip(sample(contract(name), len(changes)), changes, strict=True))
    ]
    known = set(contract(name).fields)
    return pl.DataFrame(
        [{k: v for k, v in each.items() if k in known} for each in records], schema=polars_schema(contract(name))
    )


def balance(hours: float, unrestricted: int, **more: Any) -> pl.DataFrame:
    amounts = {"unrestricted": unrestricted, "quality": 0, "blocked": 0, "allocated": None, **more}
    exact = {name: Decimal(value) if isinstance(value, int) else value for name, value in amounts.items()}
    return balances(of("InventoryBalance", {"as_of": at(hours), "event_time": at(hours), **exact}))


def used(*bookings: tuple[float, int]) -> pl.DataFrame:
    """Issues to an order: hours and quantity."""
    rows = [
        {"kind": "ISSUE", "order_id": "1000471", "event_time": at(h), "quantity": Decimal(q), "event_id": f"c{h}"}
        for h, q in bookings
    ]
    return expanded(stock_movements.of_consumption(of("MaterialConsumption", *rows)))


def shown(known: pl.DataFrame, movements: pl.DataFrame) -> dict[str, Any]:
    (row,) = stock(known, movements).to_dicts()
    return row


def test_late_snapshot() -> None:
    """A balance that arrives after the movements that it counts takes their place; only those after it are added."""
    movements = used((1, 10), (5, 20), (9, 40))
    assert shown(merge_balances([balance(0, 100)]), movements)["on_hand"] == 30
    late = merge_balances([balance(0, 100), balance(5, 70)])
    assert shown(late, movements)["on_hand"] == 30
    assert shown(merge_balances([balance(0, 100), balance(5, 75)]), movements)["on_hand"] == 35


def test_duplicate_and_older_snapshot() -> None:
    """Neither changes what is shown."""
    movements = used((9, 40))
    newest = shown(balance(8, 70), movements)
    assert newest["on_hand"] == 30
    again = merge_balances([balance(8, 70), balance(4, 500), balance(8, 70)])
    assert shown(again, movements) == newest


def test_a_movement_at_the_instant_of_the_balance_is_counted_in_it() -> None:
    assert shown(balance(5, 70), used((5, 20)))["on_hand"] == 70


def test_a_balance_counted_again_for_one_instant_replaces_the_first_count() -> None:
    again = balance(5, 90).with_columns(pl.lit(at(6), INSTANT).alias("counted_at"), pl.lit("a").alias("event_id"))
    assert shown(merge_balances([again, balance(5, 70)]), used())["on_hand"] == 90


def test_stock_without_a_balance_says_so() -> None:
    row = shown(merge_balances([]), used((5, 20)))
    assert row["as_of"] is None
    assert row["on_hand"] == -20


def test_a_total_that_grew_across_the_balance_adds_what_it_grew_by() -> None:
    """Production receipts are cumulative documents: 60 were counted by the balance, 100 are there now."""
    totals = [
        {"movement": "RECEIPT", "document_key": "k", "revision": r, "last_event_time": at(h), "quantity": Decimal(q)}
        | {
            "stock_type_from": None,
            "stock_type_to": "QUALITY",
            "withdrawn": False,
            "to_storage_location": None,
            "to_plant": None,
        }
        for r, h, q in ((3, 4, 60), (5, 6, 100))
    ]
    movements = stock_movements.of_documents(of("GoodsMovement", *totals))
    row = shown(balance(5, 10, quality=60), movements)
    assert (row["on_hand"], row["quality_hold"]) == (10, 100)


def test_a_cancelled_receipt_takes_back_what_the_balance_had_counted() -> None:
    versions = [
        {"receipt_id": "R1", "receipt_item": "1", "version": v, "status": s, "event_time": at(h)}
        | {"quantity": Decimal(40), "stock_type": "UNRESTRICTED"}
        for v, s, h in ((1, "RECEIVED", 4), (2, "CANCELLED", 6))
    ]
    movements = stock_movements.of_receipts(of("GoodsReceipt", *versions))
    assert shown(balance(5, 140), movements)["on_hand"] == 100


def test_hold_release_and_reject_move_stock_between_statuses() -> None:
    decided = [
        {"decision": d, "event_time": at(h), "quantity": Decimal(q)}
        for d, h, q in (("HOLD", 1, 30), ("RELEASE", 2, 10), ("REJECT", 3, 5))
    ]
    row = shown(balance(0, 100), expanded(stock_movements.of_quality(of("QualityEvent", *decided))))
    assert (row["on_hand"], row["quality_hold"], row["blocked"]) == (80, 15, 5)


@pytest.mark.parametrize(
    ("kind", "on_hand", "allocated"),
    [("ISSUE", 75, 25), ("RETURN", 125, 75), ("SCRAP", 75, 50), ("BY_PRODUCT", 125, 50)],
)
def test_what_each_kind_of_consumption_does(kind: str, on_hand: int, allocated: int) -> None:
    """What is issued to an order was reserved for it: projected stock does not fall twice."""
    booked = {"kind": kind, "order_id": "1000471", "event_time": at(1), "quantity": Decimal(25)}
    moved = stock_movements.of_consumption(of("MaterialConsumption", booked))
    row = shown(balance(0, 100, allocated=50), expanded(moved))
    assert (row["on_hand"], row["allocated"]) == (on_hand, allocated)


def test_a_batch_may_hold_every_kind_with_and_without_an_order() -> None:
    """What nobody ordered was not reserved: only the other half takes anything from what is allocated."""
    kinds = ("ISSUE", "RETURN", "SCRAP", "BY_PRODUCT")
    rows = [
        {"kind": kind, "order_id": order, "event_id": f"{kind}{order}", "event_time": at(1), "quantity": Decimal(1)}
        for order in ("1000471", "")
        for kind in kinds
    ]
    moved = stock_movements.of_consumption(of("MaterialConsumption", *rows))
    assert moved["effect"].to_list() == ["issue", "return", "out", "in", "out", "in", "out", "in"]


def test_a_name_keeps_what_would_part_it_escaped() -> None:
    """As in the keys of documents, whatever else is in the batch; most names have nothing to escape."""
    ids = ["plain", "a|b", "a%7Cb", "50%"]
    rows = [{"kind": "ISSUE", "order_id": "1", "event_id": each, "quantity": Decimal(1)} for each in ids]
    names = [
        stock_movements.of_consumption(of("MaterialConsumption", *batch))["movement_id"].to_list()
        for batch in (rows, rows[:1])
    ]
    escaped = ["consumption|plain", "consumption|a%7Cb", "consumption|a%257Cb", "consumption|50%25"]
    assert names == [escaped, escaped[:1]]


def test_never_less_than_nothing_is_allocated() -> None:
    """The ERP does not say what is reserved, or more was taken than reserved."""
    assert shown(balance(0, 100), used((1, 25)))["allocated"] == 0


def test_a_transfer_leaves_one_location_and_comes_to_another() -> None:
    moved = {"movement": "TRANSFER", "document_key": "t", "revision": 1, "last_event_time": at(1), "withdrawn": False}
    types = {"stock_type_from": "UNRESTRICTED", "stock_type_to": "UNRESTRICTED", "quantity": Decimal(7)}
    places = {"storage_location": "RM01", "to_storage_location": "RM02", "to_plant": None}
    rows = stock(merge_balances([]), stock_movements.of_documents(of("GoodsMovement", moved | types | places)))
    assert dict(rows.select("storage_location", "on_hand").rows()) == {"RM01": -7, "RM02": 7}


def test_state_follows_the_horizon_and_not_the_number_of_movements() -> None:
    """What is older than the newest balance less the horizon leaves, and changes nothing that is shown."""
    movements = used(*((n / 10, 1) for n in range(2000)))
    known = merge_balances([balance(h, 1000) for h in range(0, 200, 4)])
    kept, moved = retain(known, movements, timedelta(hours=24))
    assert moved.height == 2 * (240 + 39)
    assert kept.height == 7
    assert stock(kept, moved).equals(stock(known, movements))


def test_a_balance_beyond_the_tolerance_is_an_alert_with_both_numbers_and_the_movements_between() -> None:
    known = merge_balances([balance(0, 100), balance(4, 60)])
    (alert,) = stock_mismatches(known, used((1, 10), (3, 20), (5, 5)), Tolerance(), at(4))
    assert (alert["kind"], alert["subject"]) == ("stock_mismatch", "STEEL-2|RM01")
    assert alert["message"] == (
        "on_hand at 2026-03-02T04:00:00+00:00: 70 KGM projected, 60 reported; movements since "
        "2026-03-02T00:00:00+00:00: consumption|c1 -10, consumption|c3 -20"
    )


@pytest.mark.parametrize(
    ("tolerance", "alerts"),
    [(Tolerance(Decimal(9)), 1), (Tolerance(Decimal(10)), 0), (Tolerance(percent=Decimal(16)), 1),
     (Tolerance(percent=Decimal(17)), 0)],
)  # fmt: skip
def test_the_larger_bound_of_the_tolerance_counts(tolerance: Tolerance, alerts: int) -> None:
    known = merge_balances([balance(0, 100), balance(4, 60)])
    assert len(stock_mismatches(known, used((1, 30)), tolerance, at(4))) == alerts


def test_a_balance_is_not_judged_before_its_movements_are_expected_to_be_there() -> None:
    known = merge_balances([balance(0, 100), balance(4, 60)])
    assert stock_mismatches(known, used(), Tolerance(), at(3.9)) == []


def test_many_movements_are_counted_in_the_alert() -> None:
    known = merge_balances([balance(0, 100), balance(4, 60)])
    (alert,) = stock_mismatches(known, used(*((n / 10, 1) for n in range(1, 26))), Tolerance(), at(4))
    assert alert["message"].endswith(", 5 more")


def test_quantities_are_converted_exactly_by_the_materials_factors() -> None:
    """Three coils of 12.5 kg; a unit that the material does not have waits."""
    factors = Conversions()
    coil = {"unit": "RO", "numerator": Decimal("12.5"), "denominator": Decimal(1)}
    factors.put({**WHERE, "version": 1, "base_unit": "KGM", "conversions": [coil]})
    units = pl.Series("unit", ["RO", "LTR", "KGM"])
    rows = used((1, 3), (2, 3), (3, 3)).filter(pl.col("status") == "on_hand").sort("time").with_columns(units)
    good, stuck = in_base_unit(rows, factors)
    assert good["quantity"].to_list() == [Decimal("-37.5"), Decimal(-3)]
    assert set(good["unit"]) == {"KGM"}
    assert (good.schema, stuck["unit"].to_list()) == (pl.Schema(MOVEMENT), ["LTR"])


def test_an_unknown_material_is_not_converted() -> None:
    good, stuck = in_base_unit(used((1, 3)), Conversions())
    assert (good.height, stuck.height) == (0, 2)


def test_a_repeated_movement_counts_once_and_keeps_its_columns() -> None:
    rows = used((1, 3))
    merged = merge_movements([rows, rows])
    assert merged.schema == pl.Schema(MOVEMENT)
    assert merged.height == rows.height
    assert merged.schema["quantity"] == QUANTITY


@pytest.mark.parametrize("seed", range(10))
def test_sums_of_kept_rows_are_the_sums_of_their_rows_by_status(seed: int) -> None:
    """Of any mixture of effects, one alone among them, over several plants."""
    chance = random.Random(seed)
    present = chance.sample(sorted(EFFECTS), chance.choice([1, 1, 2, len(EFFECTS)]))
    rows = [
        (chance.choice(["P1", "P2"][: 1 + seed % 2]), "M", chance.choice("AB"), f"m{n}", chance.choice(present), at(1))
        for n in range(200)
    ]
    kept = pl.DataFrame([(*row, "KGM", Decimal(chance.randrange(1, 99))) for row in rows], schema=MOVED, orient="row")
    added = sums(kept).sort(list(STOCK_KEY))
    one_by_one = expanded(kept)
    assert one_by_one.height == sum(len(EFFECTS[row[4]]) for row in rows)
    for status in REPORTED:
        of_status = (
            one_by_one.filter(pl.col("status") == status).group_by(list(STOCK_KEY)).agg(pl.col("quantity").sum())
        )
        wanted = {tuple(key): quantity for *key, quantity in of_status.iter_rows()}
        assert {tuple(key): q for *key, q in added.select(*STOCK_KEY, status).iter_rows() if q} == {
            key: q for key, q in wanted.items() if q
        }
