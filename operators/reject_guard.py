"""Stops a lane when most of what it reads is refused: then the flow or its input is wrong, not single records.

Without it a wrong mapping, contract or registry would turn a whole topic into dead letters before anybody looks. The
batch that trips it is not handed on: its letters are not written, its offsets not kept; the next start reads it again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.errors import Misconfigured
from millrace.ledger.reasons import ACCEPTED
from operators.lane import Lane
from operators.lane_output import Dead, LaneOutput
from operators.replayed import Replayed, with_letters
from schemas.batch import RawBatch


class MostRefused(Misconfigured):
    """Most records of a lane are refused.

    Args:
        topic: Topic of the batch that decided it.
        message: One sentence for a person.
    """

    def __init__(self, topic: str, message: str) -> None:
        super().__init__(message)
        self.topic = topic


@dataclass(slots=True)
class RejectGuard:
    """Share of refused records among the latest of a lane.

    Args:
        window: Latest records that are looked at, in whole batches; fewer decide nothing.
        share: Share of refused ones among them above which to stop; 1 never stops.
    """

    window: int = 1000
    share: float = 0.5
    _latest: deque[tuple[int, int]] = field(default_factory=deque)

    def judge(self, topic: str, records: int, dead: Sequence[Dead]) -> None:
        """Take a batch in.

        Args:
            topic: Topic of the batch.
            records: How many were read.
            dead: Letters of the batch; late events that the history has, and replayed records whose letter exists
                already, are no refusals.

        Raises:
            MostRefused: Most of the latest records were refused, and most of this batch. (A batch that is good
                again shows that the fault has been mended: it passes whatever came before.)
        """
        refused = {(each.partition, each.offset): each for each in dead if _is_new_refusal(each)}
        self._latest.append((records, len(refused)))
        while self._read() - self._latest[0][0] >= self.window:
            self._latest.popleft()
        if len(refused) > self.share * records and self._tripped():
            raise MostRefused(topic, self._sentence(topic, refused.values()))

    def _read(self) -> int:
        return sum(records for records, _ in self._latest)

    def _tripped(self) -> bool:
        read = self._read()
        return read >= self.window and sum(refused for _, refused in self._latest) > self.share * read

    def _sentence(self, topic: str, refused: Any) -> str:
        letters = list(refused)
        reason, _ = Counter(each.reason for each in letters).most_common(1)[0]
        first = next(each for each in letters if each.reason == reason)
        share = f"{sum(n for _, n in self._latest)} of the latest {self._read()} records were refused"
        place = f"{first.topic}/{first.partition}/{first.offset}: {first.detail}"
        return (
            f"{topic}: {share}, most of this batch as {reason} (first {place}). Nothing of it was kept. Mend the "
            "cause and start again, or set reject_share to 1 for one start to send them all to the dead letters "
            "(docs/dead-letters.md, section Stop when most is refused)"
        )

    def snapshot(self) -> list[tuple[int, int]]:
        """Plain values."""
        return list(self._latest)

    def restore(self, state: Sequence[tuple[int, int]]) -> None:
        """Go on from a snapshot, so that a flow that is started again and again does not fill the store bit by bit."""
        self._latest = deque((records, refused) for records, refused in state)


def _is_new_refusal(dead: Dead) -> bool:
    return dead.reason not in ACCEPTED and not isinstance(dead, Replayed)


@dataclass(slots=True)
class GuardedLane(Lane):
    """A lane that knows replayed records by their letter, and stops when most is refused.

    Args:
        guard: Decides when.
    """

    guard: RejectGuard = field(default_factory=RejectGuard)

    def process(self, raw: RawBatch) -> LaneOutput:
        """Take one polled batch through all steps.

        Raises:
            Retriable: The registry is down; nothing has changed.
            MostRefused: The flow has to end without another snapshot: the lane's state is that of a batch which
                nobody was told of.
        """
        output = Lane.process(self, raw)
        if output.dead:
            output.dead = with_letters(output.dead, raw)
        self.guard.judge(raw.topic, len(raw.values), output.dead)
        return output

    def snapshot(self) -> dict[str, Any]:
        """The lane's, and the guard's."""
        return {**Lane.snapshot(self), "refused": self.guard.snapshot()}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a snapshot; one of a lane without a guard will do."""
        Lane.restore(self, state)
        self.guard.restore((state or {}).get("refused", ()))
