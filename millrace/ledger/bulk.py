"""Runs an action over many letters: one at a time, at a rate, resumable, each with its end and its reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sqlalchemy import Connection, select

from millrace.errors import Rejected, Retriable
from millrace.ledger import campaigns
from millrace.ledger.ledger import Ledger
from millrace.ledger.letter_states import Person
from millrace.ledger.letters import Letter, LetterFilter, conditions, find
from millrace.ledger.tables import dead_letters

Intent = Mapping[str, Any]
#: Writes a letter's new state inside the transaction that moves the cursor.
Settle = Callable[[Connection, int], None]
_AT_ONCE = 200


class Action(Protocol):
    """What is done to each letter."""

    @property
    def name(self) -> str:
        """Name of the action; with the filter it tells campaigns apart."""
        ...

    def intent(self, letter: Letter) -> Intent | None:
        """What is about to be done, noted before it is; None where all of it happens in the ledger.

        Raises:
            Rejected: The letter is left out, with the reason.
        """
        ...

    def perform(self, letter: Letter, intent: Intent | None, by: Person, *, again: bool) -> Settle:
        """Do it outside the ledger, and say how the ledger is told.

        Args:
            letter: The letter with its payload.
            intent: What `intent` said.
            by: Who and why.
            again: An earlier run was stopped after noting the intent: look whether it was done.

        Raises:
            Rejected: The letter is left out, with the reason.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a run.

    Args:
        rate: Letters per second; None for as fast as it goes.
        most: Letters at most in this run; None for all.
        sleep: Stands in for `time.sleep`.
    """

    rate: float | None = None
    most: int | None = None
    sleep: Callable[[float], None] = time.sleep


@dataclass(slots=True)
class BulkReport:
    """What became of a run.

    Args:
        action: Its name.
        matched: Letters that the filter holds.
        done: Letters done in this run; in a dry run, that would be.
        skipped: Letters left out, with the reason.
        campaign: Its number; None for a dry run.
        resumed: It went on with an earlier run's campaign, after so many letters.
        finished: No letter is left.
        dry_run: Nothing was changed.
    """

    action: str
    matched: int = 0
    done: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    campaign: int | None = None
    resumed: int | None = None
    finished: bool = False
    dry_run: bool = False


def try_out(ledger: Ledger, action: Action, wanted: LetterFilter, most: int | None = None) -> BulkReport:
    """What a run would do, changing nothing."""
    report = BulkReport(action.name, dry_run=True, finished=True)
    for letter in _letters(ledger, wanted, ""):
        report.matched += 1
        if most is not None and len(report.done) >= most:
            report.finished = False
            continue
        try:
            action.intent(letter)
        except Rejected as error:
            report.skipped.append((letter.event_id, str(error)))
        else:
            report.done.append(letter.event_id)
    return report


def run(
    ledger: Ledger,
    action: Action,
    wanted: LetterFilter,
    by: Person,
    limits: Limits,
    told: Callable[[BulkReport], None] = lambda _report: None,
) -> BulkReport:
    """Do it; an unfinished campaign for the same letters is gone on with.

    An exception, a signal or a kill leaves the campaign as it is; calling again goes on after the last letter that was
    done, and none is done twice.

    Args:
        ledger: The ledger.
        action: What to do.
        wanted: To which letters.
        by: Who and why.
        limits: Rate and number.
        told: Called after each letter.

    Raises:
        Misconfigured: Another process works on the same campaign.
        Retriable: A system that the action needs is down.
    """
    runner, plain = ledger.replica, wanted.plain()
    campaign = ledger.change(lambda _e, c, now: campaigns.join(c, action.name, plain, by, now, runner))
    bounded = replace(wanted, until=min(wanted.until or campaign.begun_at, campaign.begun_at))
    report = BulkReport(action.name, campaign=campaign.number)
    report.resumed = campaign.done + campaign.skipped if campaign.resumed else None
    step = _Step(ledger, action, campaign, runner)
    try:
        for letter in _letters(ledger, bounded, campaign.cursor):
            if limits.most is not None and len(report.done) >= limits.most:
                return report
            report.matched += 1
            step.take(letter, report)
            told(report)
            if limits.rate:
                limits.sleep(1 / limits.rate)
        report.finished = True
        ledger.change(lambda _e, c, now: campaigns.end(c, campaign.number, runner, now))
        return report
    finally:
        if not report.finished:
            ledger.change(lambda _e, c, _now: campaigns.release(c, campaign.number, runner))


@dataclass(slots=True)
class _Step:
    """Takes one letter after the other through intent, action and end."""

    ledger: Ledger
    action: Action
    campaign: campaigns.Campaign
    runner: str

    def take(self, letter: Letter, report: BulkReport) -> None:
        pending = self.campaign.intent
        again = pending is not None and pending.get("letter") == letter.event_id
        try:
            intent = pending["intent"] if again and pending is not None else self._intend(letter)
            settle = self.action.perform(letter, intent, self.campaign.by, again=again)
            self.ledger.change(lambda _e, c, now: self._end(c, letter, now, settle))
            report.done.append(letter.event_id)
        except Rejected as error:
            self.ledger.change(lambda _e, c, now: self._end(c, letter, now, None))
            report.skipped.append((letter.event_id, str(error)))

    def _intend(self, letter: Letter) -> Intent | None:
        intent = self.action.intent(letter)
        if intent is not None:
            noted = {"letter": letter.event_id, "intent": dict(intent)}
            number, runner = self.campaign.number, self.runner
            self.ledger.change(lambda _e, c, now: campaigns.intend(c, number, runner, noted, now))
        return intent

    def _end(self, connection: Connection, letter: Letter, now: int, settle: Settle | None) -> None:
        if settle is not None:
            settle(connection, now)
        skipped = settle is None
        campaigns.advance(connection, self.campaign.number, self.runner, letter.event_id, now, skipped=skipped)


def _letters(ledger: Ledger, wanted: LetterFilter, cursor: str) -> Iterator[Letter]:
    """Letters behind the cursor in order of identity, each read when its turn has come."""
    while names := ledger.ask(lambda connection, at=cursor: _names(connection, wanted, at)):  # type: ignore[misc]
        for name in names:
            letter = ledger.ask(lambda connection, of=name: find(connection, of))  # type: ignore[misc]
            if letter is not None and (not wanted.states or letter.state in wanted.states):
                yield letter
        cursor = names[-1]


def _names(connection: Connection, wanted: LetterFilter, cursor: str) -> list[str]:
    of = dead_letters.c
    query = select(of.event_id).where(of.event_id > cursor, *conditions(connection, wanted))
    return list(connection.scalars(query.order_by(of.event_id).limit(_AT_ONCE)))


__all__ = ["Action", "BulkReport", "Intent", "Limits", "Retriable", "Settle", "run", "try_out"]
