"""The real ERP that other tests rely on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.servers import Tryton
from tests.servers.tryton import TrytonRefused

pytestmark = pytest.mark.server


def test_the_erp_tells_its_stock_and_keeps_what_it_was_told_over_a_kill(tryton: Tryton) -> None:
    address = tryton.base_url
    made, there = tryton.create("party.party", {"name": "Kept"}), tryton.stock("SHEET", "STO")
    tryton.restart()
    assert tryton.base_url == address
    assert tryton.read("party.party", [["id", "=", made["id"]]], ["name"])[0]["name"] == "Kept"
    assert Decimal(900_000) < tryton.stock("SHEET", "STO") == there


def test_a_refusal_of_the_erp_is_an_error_that_quotes_it(tryton: Tryton) -> None:
    with pytest.raises(TrytonRefused, match="HTTP 400"):
        tryton.create("stock.location", {"type": "storage"})
