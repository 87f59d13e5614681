"""What bulk runs do to a letter: send it again on the way it came, or discard it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection

from millrace.errors import Rejected, Retriable
from millrace.ledger import repair
from millrace.ledger.bulk import Intent, Settle
from millrace.ledger.desired import put_desired
from millrace.ledger.letter_states import Person, count_replay, move
from millrace.ledger.letters import Letter
from millrace.ledger.model import DesiredDocument, LetterState
from millrace.ledger.reasons import ACCEPTED

#: Times that a letter is sent again before a person has to mend something else.
MOST_REPLAYS = 5
_WAITING = (LetterState.OPEN, LetterState.PARKED)


class Resender(Protocol):
    """Sends a record again to where it came from."""

    def plan(self, letter: Letter, replay: int, payload: bytes | None) -> dict[str, Any]:
        """What will be sent where, and from where on to look whether it was; nothing is sent.

        Args:
            letter: Letter of a record.
            replay: Number of this replay.
            payload: Corrected record instead of the one that failed.

        Raises:
            Rejected: The record is gone, or the payload is none of its contract.
            Retriable: The log cannot be asked.
        """
        ...

    def send(self, letter: Letter, intent: Intent, *, again: bool) -> str:
        """Send it; with `again`, only if the log does not hold this replay yet. Returns its new place.

        Raises:
            Retriable: The log did not take it for sure.
        """
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class Totals(Protocol):
    """Makes documents of totals that were given up."""

    def documents(self, letter: Letter) -> Sequence[DesiredDocument]:
        """The desired documents of the letter's total.

        Raises:
            Rejected: What it waited for is still missing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Replay:
    """Sends letters again: records to their topic, totals and postings through the ledger.

    Args:
        records: Sends records; None refuses them.
        totals: Makes documents of totals; None refuses them.
        payload: Corrected record, for a single letter.
        cap: Times that a letter may be sent again; None has no bound, for the negative control.
    """

    records: Resender | None = None
    totals: Totals | None = None
    payload: bytes | None = None
    cap: int | None = MOST_REPLAYS
    name: str = "replay"

    def intent(self, letter: Letter) -> Intent | None:
        """Whether and how it may be sent again."""
        if letter.state not in _WAITING:
            raise Rejected("not_open", f"the letter is {letter.state}")
        if self.cap is not None and letter.replays >= self.cap:
            raise Rejected("replayed_too_often", f"sent again {letter.replays} times: mend the cause, or discard it")
        if letter.kind != "RECORD":
            return None
        if letter.reason in ACCEPTED and self.payload is None:
            raise Rejected("accepted_already", "the history has it, again it would count nothing: report the pieces")
        if self.records is None:
            raise Rejected("no_way_back", "the flow's settings with its Kafka are needed to send a record again")
        replay = letter.replays + 1
        return {**self.records.plan(letter, replay, self.payload), "replay": replay}

    def perform(self, letter: Letter, intent: Intent | None, by: Person, *, again: bool) -> Settle:
        """Send it."""
        if letter.kind == "RECORD" and self.records is not None and intent is not None:
            return _sent(letter, int(intent["replay"]), self.records.send(letter, intent, again=again), by)
        return self._total(letter, by) if letter.kind == "TOTAL" else _posting(letter, by)

    def _total(self, letter: Letter, by: Person) -> Settle:
        if self.totals is None:
            raise Rejected("no_way_back", "the flow's settings are needed to make a document of a total")
        documents = self.totals.documents(letter)

        def settle(connection: Connection, now: int) -> None:
            count_replay(connection, letter.event_id, letter.replays + 1)
            move(connection, letter.event_id, (letter.state, LetterState.REPLAYED), by, now)
            put_desired(connection.engine, connection, documents, now, by.who)

        return settle


def _sent(letter: Letter, replay: int, place: str, by: Person) -> Settle:
    said = Person(by.who, f"{by.why} (sent to {place})")

    def settle(connection: Connection, now: int) -> None:
        count_replay(connection, letter.event_id, replay)
        move(connection, letter.event_id, (letter.state, LetterState.REPLAYED), said, now, replay=replay)

    return settle


def _posting(letter: Letter, by: Person) -> Settle:
    def settle(connection: Connection, now: int) -> None:
        try:
            repair.retry(connection, letter.document_key or letter.event_id, by, now)
        except Retriable as error:
            raise Rejected("busy", str(error)) from error

    return settle


@dataclass(frozen=True, slots=True)
class Discard:
    """Gives letters up for good; what they told of is not counted or booked."""

    name: str = "discard"

    def intent(self, letter: Letter) -> Intent | None:
        """Whether there is something to discard."""
        if letter.state in (LetterState.RESOLVED, LetterState.DISCARDED):
            raise Rejected("not_open", f"the letter is {letter.state}")
        return None

    def perform(self, letter: Letter, intent: Intent | None, by: Person, *, again: bool) -> Settle:  # noqa: ARG002
        """All of it happens in the ledger."""

        def settle(connection: Connection, now: int) -> None:
            move(connection, letter.event_id, (letter.state, LetterState.DISCARDED), by, now)

        return settle


__all__ = ["MOST_REPLAYS", "Discard", "Replay", "Resender", "Totals"]
