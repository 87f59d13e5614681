"""Dead letters of stock read back from the ledger, for rows whose material has come.

Delivery: reads alone, as often as asked. The rows count once, since the flow's state holds which of them it lacks
(`operators.replenishment_recall`). A ledger that is down stalls the flow as it does when it is written.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from millrace.ledger import Ledger
from millrace.ledger.ledger import LEDGER_DOWN
from millrace.ledger.recalls import Recalled, recall
from sinks.patience import patiently


class LetterRecall:
    """Asks the ledger at `url`; opened when it is first asked."""

    def __init__(self, url: str, flow: str) -> None:
        self._url, self._flow = url, flow

    @cached_property
    def _ledger(self) -> Ledger:
        return patiently(lambda: Ledger(self._url, who=self._flow), LEDGER_DOWN)

    def __call__(self, keys: Collection[str]) -> Recalled:
        """Payloads by key of a place."""
        ledger = self._ledger
        return patiently(lambda: ledger.ask(lambda connection: recall(connection, keys)), LEDGER_DOWN)


__all__ = ["LetterRecall"]
