"""A material's base unit changes while its stock is known: what is kept and what comes are never added in two units."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from operators.references import Conversions
from operators.replenishment import Shard
from tests.flows.stock_records import Record, at, balance, issue, material
from tests.property.shard_lives import config, given, micros

#: Steel is counted in sheets from now on, of 20 kg each; a pallet is 50 sheets.
SHEETS = {
    "version": 2,
    "base_unit": "PCE",
    "conversions": [
        {"unit": "KGM", "numerator": Decimal(1), "denominator": Decimal(20)},
        {"unit": "PF", "numerator": Decimal(50), "denominator": Decimal(1)},
    ],
}


def shown(of: Shard, minutes: float, *records: Record) -> Any:
    for record in records:
        for kind, rows in given(record)[0]:
            of.take(kind, rows)
    out = of.tick(micros(at(minutes)))
    return out.projections[-1].select("on_hand", "unit").rows(), [alert["kind"] for alert in out.alerts]


def known(**changed: Any) -> Shard:
    """1000 kg of steel are known when its Material comes anew."""
    of = Shard(config(1, hold=False))
    of.material([material()])
    assert shown(of, 5, balance(0, 1000))[0] == [(Decimal(1000), "KGM")]
    of.material([{**material(), **changed}])
    return of


def test_stock_stays_in_the_unit_that_it_was_counted_in() -> None:
    of = known(**SHEETS)
    assert shown(of, 10, issue(1, 9, 2, unit="PCE")) == ([(Decimal(960), "KGM")], [])
    assert shown(of, 15, issue(2, 14, 60)) == ([(Decimal(900), "KGM")], [])
    assert shown(of, 25, balance(20, 45, unit="PCE")) == ([(Decimal(900), "KGM")], [])
    again = Shard(config(1, hold=False))
    again.restore(of.snapshot())
    assert shown(again, 30, issue(3, 29, 1, unit="PCE")) == ([(Decimal(880), "KGM")], [])


def test_a_movement_before_the_first_balance_counts_as_kept() -> None:
    of = Shard(config(1, hold=False))
    of.material([material()])
    for kind, rows in given(issue(1, 5, 60))[0]:
        of.take(kind, rows)
    of.tick(micros(at(6)))
    of.material([{**material(), **SHEETS}])
    assert shown(of, 10, balance(8, 1000, as_of=4)) == ([(Decimal(940), "KGM")], [])


def test_control_with_the_new_base_unit_two_units_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conversions, "put_kept", lambda self, record: self.put(record) is None)
    of = known(**SHEETS)
    assert shown(of, 10, issue(1, 9, 2, unit="PCE"))[0] == [(Decimal(998), "PCE")]


def test_a_base_unit_without_a_way_back_is_refused_by_an_alert() -> None:
    """The version before goes on to count; the next one that has a way ends the alert."""
    of = known(**{**SHEETS, "conversions": []})
    heard = [shown(of, minute, issue(minute, minute - 1, 10))[1] for minute in range(10, 20)]
    assert [kind for kinds in heard for kind in kinds] == ["base_unit_changed"]
    assert shown(of, 20, issue(20, 19, 10))[0] == [(Decimal(890), "KGM")]
    again = Shard(config(1, hold=False))
    again.restore(of.snapshot())
    again.material([material()])  # an older version that is sent again mends nothing
    assert [shown(again, minute, issue(minute, minute - 1, 10))[1] for minute in range(21, 31)] == [[]] * 10
    again.material([{**material(), **SHEETS, "version": 3}])
    heard = [shown(again, minute, issue(minute, minute - 1, 10))[1] for minute in range(31, 41)]
    assert [kind for kinds in heard for kind in kinds] == ["base_unit_changed"], "closed"


def test_factors_in_the_former_unit_are_exact() -> None:
    book = Conversions()
    book.put({**material(), "version": 1})
    assert book.put_kept({**material(), **SHEETS})
    where = ("P1", "STEEL")
    assert book.convert(*where, Decimal(1), "PF", "KGM") == 1000
    assert book.convert(*where, Decimal(30), "KGM", "PCE") == Decimal("1.5")
    assert book.convert(*where, Decimal(1), "TNE", "KGM") is None, "the new version has no tonnes"
