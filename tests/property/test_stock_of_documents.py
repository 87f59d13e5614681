"""Stock by documents: of each the newest version counts, by revision and, of the same events, by reference version."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from operators import stock_movements
from tests.flows.stock_memory import Heard, polled, run, settings
from tests.flows.stock_records import Record, balance, document, issue, order

#: Milliseconds of a clock, which some plants number their orders and materials by.
CLOCK = 1_772_431_200_000


class World:
    """Issues, returns and receipts of production that grow, are corrected, withdrawn and let count again."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.documents: list[Record] = []
        first = chance.choice([1, CLOCK])
        for number in range(chance.randint(1, 5)):
            way = chance.choice(["stock_type_from", "stock_type_to"])
            types = {"stock_type_from": None, "stock_type_to": None, way: "UNRESTRICTED"}
            versions = [(r, v) for r in range(1, chance.randint(2, 4)) for v in range(first, first + 4)]
            for version in sorted(chance.sample(versions, min(len(versions), chance.randint(1, 6)))):
                made: dict[str, Any] = {
                    "document_key": f"P1|D{number}",
                    "movement": "ISSUE" if way == "stock_type_from" else "RECEIPT",
                    "revision": version[0],
                    "reference_version": version[1],
                    "withdrawn": chance.random() < 0.3,
                    **types,
                }
                self.documents.append(document(10 + len(self.documents), chance.randint(0, 90), **made))
        self.records = [balance(0, 100_000), *self.documents, *chance.choices(self.documents, k=3)]
        chance.shuffle(self.records)

    def plain(self) -> Decimal:
        """The balance and the last version of each document, which they were made in."""
        last = {each["document_key"]: each for each in self.documents}
        standing = [each for each in last.values() if not each["withdrawn"]]
        return Decimal(100_000) + sum(
            (each["quantity"] * (-1 if each["stock_type_from"] else 1) for each in standing), Decimal(0)
        )

    def told(self) -> Decimal:
        heard = Heard()
        size = random.Random(len(self.records)).randint(1, 5)
        run(settings(movements="documents"), [polled([*self.records, balance(5, 1, as_of=-60)], size)], heard)
        return Decimal(heard.standings["P1", "stock|STEEL|RM01"]["content"]["on_hand"])


@pytest.mark.parametrize("seed", range(20))
def test_of_a_document_the_newest_version_counts(seed: int) -> None:
    world = World(seed)
    assert world.told() == world.plain()


def test_by_its_revision_alone_corrections_of_the_same_events_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(stock_movements, "_rank", lambda: pl.col("revision"))
    assert any(World(seed).told() != World(seed).plain() for seed in range(6))


@pytest.mark.parametrize(("quantity", "status"), [(1000, "OPEN"), (1000, "CANCELLED"), (0, "OPEN")])
def test_the_price_of_an_order_is_that_of_a_base_unit_also_where_nothing_is_ordered(quantity: int, status: str) -> None:
    """2000 a tonne are 2 a kilogram; the value decides whether a person has to approve."""
    heard, dear = Heard(), order(3, quantity, unit="TNE", price=2000, status=status)
    given = [balance(0, 150), dear, order(4, 0, version=2, unit="TNE", price=2000, status=status), issue(1, 30, 60)]
    run(settings(rule={"approval_above": 500}), [polled(given)], heard)
    (request,) = heard.requests.values()
    assert (request["value"], request["approval_required"]) == (420, False)
