"""Compare what the plant really did with what was read, stored, desired and booked.

Every piece, second, record and row is accounted for by an equation between two independent counts; a single
difference makes the verdict fail. Takes plain values: where they come from is wired elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.reconcile_counts import Check, TopicCounts, topic_checks
from sandbox.reconcile_materials import Materials

ZERO = Decimal(0)
#: What is counted of an order that the ERP never released.
WAITED = "waited in vain"
UNKNOWN_ORDER = "order_unknown"
MEASURES = ("yield", "scrap", "rework", "setup_time", "machine_time", "labour_time")


@dataclass(frozen=True, slots=True)
class Sums:
    """Totals of one operation in one place (the ledger's desired totals, or what the ERP has booked).

    Args:
        order_id: Production order.
        operation: Operation of its routing, for instance `0010`.
        measures: By the names of `MEASURES`; missing means zero. Quantities in the order's unit, times in s.
        is_final: A final confirmation is among them.
        scrap_by_reason: Where the place keeps it; the empty string stands for no reason.
        postings: Documents that make up the totals.
    """

    order_id: str
    operation: str
    measures: Mapping[str, Decimal]
    is_final: bool = False
    scrap_by_reason: Mapping[str, Decimal] | None = None
    postings: int = 0


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation in the three places."""

    order_id: str
    operation: str
    material: str
    unit: str
    target: Decimal
    truth: Mapping[str, Decimal]
    ledger: Mapping[str, Decimal]
    erp: Mapping[str, Decimal]
    differences: tuple[str, ...]
    postings: int

    @property
    def ok(self) -> bool:
        """All three places agree."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Everything compared.

    Args:
        operations: Per order and operation, sorted.
        checks: Counts of records, duplicates, dead letters, history.
        reasons: Dead letters by reason, all topics together, with the events of totals that waited in vain.
        unknown_orders: Order that the ERP never released -> its events.
        materials: Movements, stock and requests; None where the run had none.
    """

    operations: Sequence[OperationRow]
    checks: Sequence[Check]
    reasons: Sequence[Check]
    unknown_orders: Mapping[str, int]
    materials: Materials | None = None

    @property
    def ok(self) -> bool:
        """Not a single piece, second, record or row differs."""
        compared: Sequence[OperationRow | Check] = [*self.operations, *self.checks, *self.reasons]
        stock = self.materials is None or self.materials.ok
        return stock and bool(self.operations) and all(one.ok for one in compared)

    @property
    def dead_letters(self) -> dict[str, int]:
        """Events in the dead letters by reason, as found."""
        return {check.what: check.actual for check in self.reasons if check.actual}

    @property
    def exit_status(self) -> int:
        """0 where everything agrees, else 1."""
        return 0 if self.ok else 1

    def by_subject(self) -> dict[str, dict[str, Check]]:
        """Checks grouped by topic or order, and there by what they count."""
        subjects: dict[str, dict[str, Check]] = {}
        for check in self.checks:
            subjects.setdefault(check.subject, {})[check.what] = check
        return subjects

    def by_order(self) -> dict[str, list[OperationRow]]:
        """Operations grouped by order, in order."""
        orders: dict[str, list[OperationRow]] = {}
        for row in self.operations:
            orders.setdefault(row.order_id, []).append(row)
        return orders

    def as_json(self) -> dict[str, Any]:
        """Plain values; decimals as strings."""
        return {
            "ok": self.ok,
            "operations": [_row_json(row) for row in self.operations],
            "checks": [
                {"subject": c.subject, "what": c.what, "expected": c.expected, "actual": c.actual, "ok": c.ok}
                for c in self.checks
            ],
            "reasons": [{"reason": c.what, "expected": c.expected, "actual": c.actual} for c in self.reasons],
            "unknown_orders": dict(self.unknown_orders),
            "materials": None if self.materials is None else self.materials.as_json(),
        }


def reconcile(
    truth: Mapping[str, Any],
    *,
    ledger: Iterable[Sums],
    erp: Iterable[Sums],
    topics: Mapping[str, TopicCounts],
    waited_in_vain: Mapping[str, int],
    more: Iterable[Check] = (),
    materials: Materials | None = None,
) -> Reconciliation:
    """Compare the places.

    Args:
        truth: `Truth.as_json()`.
        ledger: Desired totals per operation, summed over windows.
        erp: Booked totals per operation.
        topics: Counts of the flow and of history by topic; only these topics are checked.
        waited_in_vain: Order -> events of its totals in the dead letters for want of the order.
        more: Further counts.
        materials: Movements, stock and requests, compared.
    """
    desired = {(sums.order_id, sums.operation): sums for sums in ledger}
    booked = {(sums.order_id, sums.operation): sums for sums in erp}
    real = {(row["order_id"], row["operation"]): row for row in truth["operations"]}
    keys = sorted(real.keys() | desired.keys() | booked.keys())
    rows = [_compare(key, real.get(key), desired.get(key), booked.get(key)) for key in keys]
    checks = [check for name in sorted(topics) for check in topic_checks(name, truth["topics"].get(name), topics[name])]
    checks += more
    unknown: Mapping[str, int] = truth["unknown_orders"]
    for order in sorted(unknown.keys() | waited_in_vain.keys()):
        expected, actual = unknown.get(order, 0), waited_in_vain.get(order, 0)
        checks.append(Check(f"order {order}", WAITED, expected, actual))
    return Reconciliation(rows, checks, _reasons(truth, topics, waited_in_vain), unknown, materials)


def _compare(
    key: tuple[str, str], real: Mapping[str, Any] | None, desired: Sums | None, booked: Sums | None
) -> OperationRow:
    expected = _real_measures(real)
    in_ledger = _measures(desired)
    in_erp = _measures(booked)
    found = [name for name in MEASURES if not expected[name] == in_ledger[name] == in_erp[name]]
    if real is None:
        found.append("not made by the plant")
    elif (desired is not None and desired.is_final, booked is not None and booked.is_final) != (
        real["is_final"],
        real["is_final"],
    ):
        found.append("final")
    found += [f"scrap by reason ({place})" for place in _scrap_differences(real, desired, booked)]
    names = real or {}
    return OperationRow(
        *key,
        material=names.get("material", ""),
        unit=names.get("unit", ""),
        target=Decimal(names.get("target", 0)),
        truth=expected,
        ledger=in_ledger,
        erp=in_erp,
        differences=tuple(found),
        postings=booked.postings if booked else 0,
    )


def _scrap_differences(real: Mapping[str, Any] | None, desired: Sums | None, booked: Sums | None) -> Iterable[str]:
    """Places that keep scrap by reason and differ from the truth in it."""
    expected = {reason: Decimal(value) for reason, value in (real or {}).get("scrap", {}).items()}
    for place, sums in (("ledger", desired), ("ERP", booked)):
        if sums is not None and sums.scrap_by_reason is not None:
            kept = {reason: value for reason, value in sums.scrap_by_reason.items() if value}
            if kept != expected:
                yield place


def _real_measures(real: Mapping[str, Any] | None) -> dict[str, Decimal]:
    if real is None:
        return dict.fromkeys(MEASURES, ZERO)
    scrap = sum((Decimal(value) for value in real["scrap"].values()), ZERO)
    return {name: scrap if name == "scrap" else Decimal(real[name]) for name in MEASURES}


def _measures(sums: Sums | None) -> dict[str, Decimal]:
    return {name: sums.measures.get(name, ZERO) if sums else ZERO for name in MEASURES}


def _reasons(
    truth: Mapping[str, Any], topics: Mapping[str, TopicCounts], waited_in_vain: Mapping[str, int]
) -> list[Check]:
    expected = Counter({UNKNOWN_ORDER: sum(truth["unknown_orders"].values())})
    found = Counter({UNKNOWN_ORDER: sum(waited_in_vain.values())})
    for name, counts in topics.items():
        expected.update(truth["topics"].get(name, {}).get("rejects", {}))
        found.update(counts.dead_letters)
    return [Check("dead letters", why, expected[why], found[why]) for why in sorted(expected | found)]


def _row_json(row: OperationRow) -> dict[str, Any]:
    places = {"truth": row.truth, "ledger": row.ledger, "erp": row.erp}
    return {
        "order_id": row.order_id,
        "operation": row.operation,
        "material": row.material,
        "unit": row.unit,
        **{name: {m: str(value) for m, value in place.items()} for name, place in places.items()},
        "differences": list(row.differences),
        "postings": row.postings,
        "ok": row.ok,
    }
