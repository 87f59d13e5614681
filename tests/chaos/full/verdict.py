"""What a finished run lost, doubled or posted out of order, in each place that keeps the totals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sandbox.demo_check import booked, desired, topic_counts, waited_in_vain
from sandbox.erp_store import Store
from sandbox.reconcile import MEASURES, OperationRow, Reconciliation, reconcile
from tests.chaos.full.options import SANDBOX
from tests.chaos.full.ordering import out_of_order
from tests.chaos.full.stock import Issue
from tests.chaos.full.world import World
from tests.chaos.verdict import Verdict, explained, weigh

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class FullVerdict:
    """How far a run is from the truth.

    Args:
        confirmations: Pieces, seconds and rows of the first ERP, of ledger and history.
        issues: Material of the second ERP.
        wrong: Operations whose totals differ.
        sentences: Everything else that is wrong, and the wrong totals in words.
    """

    confirmations: Verdict
    issues: tuple[Issue, ...]
    wrong: tuple[OperationRow, ...]
    sentences: tuple[str, ...]

    @property
    def lost(self) -> Decimal:
        """What is missing, each place on its own."""
        return self.confirmations.lost + sum((-d for d in self._of_stock if d < 0), ZERO)

    @property
    def doubled(self) -> Decimal:
        """What is too much."""
        return self.confirmations.doubled + sum((d for d in self._of_stock if d > 0), ZERO)

    @property
    def exact(self) -> bool:
        """Nothing differs, and there was something to compare."""
        return self.confirmations.exact and not self.lost and not self.doubled and not self.sentences

    @property
    def _of_stock(self) -> list[Decimal]:
        return [difference for issue in self.issues for difference in issue.differences]


def judge(world: World, folder: Path, data: Path) -> FullVerdict:
    """Compare plain sums, ledger, both ERPs and history.

    Args:
        world: The run, with its ERPs' data still there.
        folder: Its folder.
        data: Folder of the history.
    """
    store = Store(str(folder / "erp.db"))
    result = reconcile(
        json.loads((folder / "truth.json").read_text(encoding="utf-8")),
        ledger=world.ledger.ask(desired),
        erp=booked(store),
        topics=topic_counts(world.ledger, data / "history"),
        waited_in_vain=world.ledger.ask(waited_in_vain),
    )
    verdict = weigh(result, store.counts())
    issues = tuple(world.issues())
    sentences = (*verdict.others, *_sentences(world, store, result, issues))
    wrong = tuple(row for row in result.operations if not row.ok)
    return FullVerdict(verdict, issues, wrong, sentences)


def _sentences(world: World, store: Store, result: Reconciliation, issues: tuple[Issue, ...]) -> Iterator[str]:
    entities = store.documents()
    yield from world.ledger.ask(lambda connection: out_of_order(connection, entities, SANDBOX))
    yield from (f"{key}: booked total is not the sum of its booked steps" for key in world.ledger.inconsistent())
    yield from explained(result)
    yield from (str(issue) for issue in issues if any(issue.differences))


def amounts(row: OperationRow) -> tuple[Decimal, Decimal]:
    """What one operation lost and doubled, ledger and ERP together."""
    found = [place[m] - row.truth[m] for place in (row.ledger, row.erp) for m in MEASURES]
    return sum((-d for d in found if d < 0), ZERO), sum((d for d in found if d > 0), ZERO)


__all__ = ["FullVerdict", "amounts", "judge"]
