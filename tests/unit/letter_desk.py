"""Letters, people and a way back for tests of the dead letters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from millrace.errors import Rejected, Retriable
from millrace.ledger import DeadLetter, Ledger
from millrace.ledger.letter_states import Person
from millrace.ledger.letters import Letter, LetterFilter
from millrace.ledger.reasons import error_class

ANN = Person("ann", "registry was mended")


def record(offset: int, reason: str = "decode", **values: Any) -> DeadLetter:
    """Letter of a record in machine-cycle/0."""
    replay = values.pop("replay", 0)
    fields = {
        "event_time": 1_000 + offset,
        "plant": "",
        "source": "confirmations",
        "detail": "torn",
        "payload": b"\x00\x00",
        "owner": "shop-floor",
        **values,
    }
    return DeadLetter(
        event_id=f"machine-cycle/0/{offset}",
        kind="RECORD",
        reason=reason,
        topic="machine-cycle",
        partition=0,
        offset=offset,
        revision=replay,
        error_class=error_class(reason),
        **fields,
    )


def state(ledger: Ledger, letter_id: str) -> str:
    return one(ledger, letter_id).state


def one(ledger: Ledger, letter_id: str) -> Letter:
    from millrace.ledger.letters import find

    found = ledger.ask(lambda connection: find(connection, letter_id))
    assert found is not None
    return found


def only(*letter_ids: str) -> LetterFilter:
    return LetterFilter(ids=letter_ids)


class Killed(BaseException):
    """Stands for a kill: nothing that catches exceptions sees it."""


@dataclass
class Log:
    """A topic in memory: what was sent again, by letter and replay number.

    Args:
        kill_before: Dies before the n-th send takes effect, 0 never.
        kill_after: Dies right after it took effect.
        down: The broker is down.
    """

    sent: list[tuple[str, int]] = field(default_factory=list)
    kill_before: int = 0
    kill_after: int = 0
    down: bool = False
    asks: bool = True
    gone: set[str] = field(default_factory=set)
    calls: int = 0

    def plan(self, letter: Letter, replay: int, payload: bytes | None) -> dict[str, Any]:  # noqa: ARG002
        if letter.event_id in self.gone:
            raise Rejected("record_gone", "the log has deleted it")
        return {"topic": letter.topic, "from": len(self.sent), "corrected": payload is not None}

    def close(self) -> None:
        pass

    def send(self, letter: Letter, intent: Any, *, again: bool) -> str:
        if self.down:
            raise Retriable("no broker")
        entry = (letter.event_id, int(intent["replay"]))
        if again and self.asks and entry in self.sent[intent["from"] :]:
            return "found"
        self.calls += 1
        if self.calls == self.kill_before:
            raise Killed
        self.sent.append(entry)
        if self.calls == self.kill_after:
            raise Killed
        return f"machine-cycle/0/{len(self.sent)}"
