"""Movements, stock and requests are compared piece by piece; whatever differs is named."""

from dataclasses import replace
from decimal import Decimal

import pytest

from sandbox.reconcile_materials import Found, Request, crossings, reconcile_materials

D = Decimal
KEY = ("1000001", "COIL", "ISSUE")
TRUTH = {
    "movements": [{"order_id": "1000001", "material": "COIL", "movement": "ISSUE", "quantity": "60"}],
    "stock": [{"material": "COIL", "on_hand": "90", "quality_hold": "0", "blocked": "5", "received": "50"}],
}
ASKED = [Request("P||COIL|RM01|1", "COIL", D(50)), Request("P||COIL|RM01|2", "COIL", D(70))]
STOCK = {"on_hand": D(90), "quality_hold": D(0), "blocked": D(5), "projected": D(160)}
LINE = [(D(100), D(150)), (D(150), D(150)), (D(120), D(150)), (D(150), D(150)), (D(140), D(150))]
FOUND = Found({KEY: D(60)}, {KEY: D(60)}, {"COIL": STOCK}, ASKED, ASKED, {"COIL": LINE})


def wrong(found):
    result = reconcile_materials(TRUTH, found)
    assert result.ok is not bool(result.wrong)
    return [row.movement for row in result.movements if not row.ok], [
        each for row in result.stock for each in row.differences
    ]


def test_equal_books_are_exact():
    assert wrong(FOUND) == ([], [])


@pytest.mark.parametrize("place", ["ledger", "erp"])
@pytest.mark.parametrize("key", [KEY, ("1000001", "COIL", "SCRAP")])
def test_a_movement_that_differs_or_nobody_made_is_named(place, key):
    changed = {**getattr(FOUND, place), key: D("60.001")}
    assert wrong(replace(FOUND, **{place: changed})) == ([key[2]], [])


@pytest.mark.parametrize("status", STOCK)
def test_stock_that_differs_from_plain_sums_is_named(status):
    shown = {"COIL": {**STOCK, status: STOCK[status] + 1}}
    assert wrong(replace(FOUND, shown=shown)) == ([], [status])


def test_a_doubled_request_is_named():
    found = wrong(replace(FOUND, asked=[*ASKED, ASKED[0]]))
    assert {"requests", "doubled request"} <= set(found[1])


def test_a_request_that_never_reached_the_erp_is_named():
    assert "requests" in wrong(replace(FOUND, asked=ASKED[:1]))[1]


def test_a_crossing_that_nobody_asked_for_is_named():
    history = {"COIL": [*LINE, (D(150), D(150))]}
    assert wrong(replace(FOUND, history=history)) == ([], ["crossings"])


def test_a_rise_that_stays_below_what_is_ordered_up_to_is_no_crossing():
    assert crossings([(D(100), D(150)), (D(140), D(150)), (D(145), D(150))]) == 0


def test_nothing_compared_is_not_exact():
    nothing = Found({}, {}, {}, [], [], {})
    assert not reconcile_materials({"movements": [], "stock": []}, nothing).ok
