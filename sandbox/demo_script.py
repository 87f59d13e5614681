"""What goes wrong during the demo, and when: counted from the first posting, in shares of the feed's time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.demo_settings import FLOW, REPLENISHMENT
from sandbox.demo_watch import Erp, Watch

LOCKS, LOST_ANSWERS = 4, 2


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens so many shares of the feed's time after the first posting."""

    at: float
    do: Callable[[], None]


class Script:
    """Plays its acts as time goes by.

    Args:
        erp: The ERP to disturb.
        watch: Takes the marks.
        kill: Kills a flow by its name; None where nobody may.
        seconds: What the shares refer to.
    """

    def __init__(self, erp: Erp, watch: Watch, kill: Callable[[str], None] | None, seconds: float) -> None:
        self._erp, self._watch, self._kill = erp, watch, kill
        self._down_since = 0.0
        self._seconds = seconds
        self._begun: float | None = None
        self._acts = self._written()

    def _written(self) -> list[Act]:
        acts = [
            Act(0.00, self._lock),
            Act(0.08, self._lose_answers),
            Act(0.16, self._go_down),
            Act(0.40, self._come_back),
        ]
        if (kill := self._kill) is not None:
            acts.append(Act(0.50, lambda: self._kill_flow(FLOW, kill)))
            acts.append(Act(0.58, lambda: self._kill_flow(REPLENISHMENT, kill)))
        return acts

    @property
    def over(self) -> bool:
        """Whether everything has been played."""
        return not self._acts

    def play(self) -> None:
        """Do what is due."""
        if self._begun is None and self._watch.booked():
            self._begun = self._watch.now
        if self._begun is not None:
            for act in self._due((self._watch.now - self._begun) / self._seconds):
                act.do()

    def _due(self, share: float) -> Iterator[Act]:
        while self._acts and self._acts[0].at <= share:
            yield self._acts.pop(0)

    def _lock(self) -> None:
        self._erp.order_fault("lock", LOCKS)
        self._watch.mark(f"{LOCKS} postings meet a lock")
        self._watch.note = "orders locked in the ERP"

    def _lose_answers(self) -> None:
        self._erp.order_fault("lose_answer", LOST_ANSWERS)
        self._watch.mark(f"{LOST_ANSWERS} answers lost after booking")
        self._watch.note = "the ERP booked and its answer was lost"

    def _go_down(self) -> None:
        self._erp.order_fault("down", None)
        self._down_since, self._watch.erp_up = self._watch.now, False
        self._watch.note = "reading goes on, postings wait"

    def _come_back(self) -> None:
        self._erp.clear_fault("down")
        self._watch.mark("ERP down", self._down_since)
        self._watch.erp_up, self._watch.note = True, "the ERP is back"

    def _kill_flow(self, flow: str, kill: Callable[[str], None]) -> None:
        kill(flow)
        self._watch.killed(flow)
        self._watch.note = f"{flow} was killed and starts again"
