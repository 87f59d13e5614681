"""What a finished run lost or doubled: each place's figures against the plant's truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sandbox.demo_check import reconcile_folder
from sandbox.erp_store import Store
from sandbox.reconcile import MEASURES, Reconciliation

ZERO = Decimal(0)
#: Counts of rows and records, as `reconcile` names them.
ROWS = ("accepted", "history rows", "distinct rows")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far a run is from the truth.

    Args:
        lost: Pieces, seconds and rows that are missing in ledger, ERP or history, each place on its own.
        doubled: What is too much there, and external references that the ERP booked more than once.
        others: Everything else that differs: final flags, dead letters, counts of records.
        booked: Documents in the ERP.
        operations: Operations compared.
        rows: Rows of the history.
    """

    lost: Decimal
    doubled: Decimal
    others: tuple[str, ...]
    booked: int
    operations: int
    rows: int

    @property
    def exact(self) -> bool:
        """Nothing differs, and there was something to compare."""
        compared = self.operations and self.booked and self.rows
        return bool(compared) and not self.lost and not self.doubled and not self.others


def judge(folder: Path) -> Verdict:
    """Compare what a run left in its folder with what the plant did."""
    return weigh(reconcile_folder(folder), Store(str(folder / "erp.db")).counts())


def weigh(result: Reconciliation, counts: Mapping[str, int]) -> Verdict:
    """Sum up what differs; `counts` are those of the sandbox ERP's store."""
    differences = [*_of_totals(result), *_of_rows(result)]
    return Verdict(
        lost=sum((-d for d in differences if d < 0), ZERO),
        doubled=sum((d for d in differences if d > 0), ZERO) + counts["doubled_references"],
        others=tuple(_others(result)),
        booked=counts["documents"],
        operations=len(result.operations),
        rows=sum(check.actual for check in result.checks if check.what == "history rows"),
    )


def _of_totals(result: Reconciliation) -> Iterator[Decimal]:
    """Ledger and ERP less the truth, for each measure of each operation."""
    for row in result.operations:
        for place in (row.ledger, row.erp):
            yield from (place[measure] - row.truth[measure] for measure in MEASURES)


def _of_rows(result: Reconciliation) -> Iterator[Decimal]:
    """Accepted events and rows of the history less the events that were sent."""
    yield from (Decimal(c.actual - c.expected) for c in result.checks if c.what in ROWS)


def _others(result: Reconciliation) -> Iterator[str]:
    for row in result.operations:
        wrong = [name for name in row.differences if name not in MEASURES]
        if wrong:
            yield f"{row.order_id}/{row.operation}: {', '.join(wrong)}"
    for check in (*result.checks, *result.reasons):
        if not check.ok:
            yield f"{check.subject}, {check.what}: expected {check.expected}, found {check.actual}"
    if not result.ok and all(row.ok for row in result.operations) and not result.operations:
        yield "nothing was compared"


def explain(folder: Path) -> Iterator[str]:
    """Operations whose totals differ, one line each."""
    return explained(reconcile_folder(folder))


def explained(result: Reconciliation, most: int = 20) -> Iterator[str]:
    """Operations whose totals differ, one line each."""
    wrong = [row for row in result.operations if not row.ok]
    for row in wrong[:most]:
        for measure in MEASURES:
            truth, ledger, erp = row.truth[measure], row.ledger[measure], row.erp[measure]
            if not truth == ledger == erp:
                yield f"{row.order_id}/{row.operation} {measure}: truth {truth}, ledger {ledger}, ERP {erp}"


__all__ = ["Verdict", "explain", "explained", "judge", "weigh"]
