"""Everything that a person may ask of dead letters and postings, and do to them: one typed object for command and web.

Who acts and why is asked for every change and stands in the audit. Every change can be tried out first (`dry_run`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine

from millrace.errors import Misconfigured
from millrace.ledger import approvals, bulk, letters, repair
from millrace.ledger.actions import MOST_REPLAYS, Discard, Replay, Resender, Totals
from millrace.ledger.bulk import BulkReport, Limits
from millrace.ledger.ledger import Ledger
from millrace.ledger.letter_states import Person
from millrace.ledger.letters import Letter, LetterCount, LetterFilter, LetterReport, Page
from millrace.ledger.repair import Change

#: Reads a letter's payload with its contract; None where it cannot be read.
Decode = Callable[[Letter], Any]
Told = Callable[[BulkReport], None]


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter with what is known around it.

    Args:
        report: Letter, audit, document and postings.
        record: Its payload as JSON values; None where it cannot be read.
    """

    report: LetterReport
    record: Any


class Desk:
    """Dead letters and postings of one ledger.

    Args:
        ledger: The ledger; it stays the caller's to close.
        records: Sends records again; without it, they can only be looked at and discarded.
        totals: Makes documents of totals that were given up.
        decode: Reads payloads.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        records: Resender | None = None,
        totals: Totals | None = None,
        decode: Decode = lambda _letter: None,
    ) -> None:
        self._ledger = ledger
        self._records, self._totals, self._decode = records, totals, decode

    def close(self) -> None:
        """Give connections back, but for the ledger's."""
        if self._records is not None:
            self._records.close()

    # -- look

    def list(self, wanted: LetterFilter, limit: int = 100, cursor: str | None = None) -> Page:
        """Letters, newest first, without payloads.

        Raises:
            Misconfigured: The filter or the cursor is none.
        """
        return self._ledger.ask(lambda connection: letters.page(connection, wanted, limit, cursor))

    def counts(self, wanted: LetterFilter) -> Sequence[LetterCount]:
        """Letters by reason and state."""
        return self._ledger.ask(lambda connection: letters.counts(connection, wanted))

    def show(self, letter_id: str) -> Shown:
        """One letter.

        Raises:
            Misconfigured: There is none of that name.
        """
        report = self._ledger.ask(lambda connection: letters.report(connection, letter_id))
        if report is None:
            raise Misconfigured(f"no dead letter is named {letter_id!r}")
        return Shown(report, self._decode(report.letter))

    # -- letters

    def replay(
        self,
        wanted: LetterFilter,
        by: Person,
        *,
        payload: bytes | None = None,
        cap: int | None = MOST_REPLAYS,
        limits: Limits | None = None,
        dry_run: bool = False,
        told: Told = lambda _report: None,
    ) -> BulkReport:
        """Send letters again, each on the way it came and through the same ledger.

        Records go back to their topic and partition, and are accepted once: a record that was refused has taken no
        number. Totals become documents where what they waited for has come. Documents that an ERP refused are planned
        anew; parked ones are asked for first.

        Args:
            wanted: Which letters; of no state in particular, those that are open.
            by: Who and why.
            payload: Corrected record, for a single letter.
            cap: Times that a letter may be sent again.
            limits: Rate and number.
            dry_run: Only say what would be done.
            told: Called after each letter.

        Raises:
            Misconfigured: A payload is given for more than one letter, or another process works on the same.
            Retriable: Kafka or the ledger is down; call again to go on.
        """
        if payload is not None and len(wanted.ids) != 1:
            raise Misconfigured("a corrected payload belongs to one letter: name it by its identity")
        action = Replay(self._records, self._totals, payload, cap)
        return self._bulk(action, _open(wanted), by, limits, dry_run, told)

    def discard(
        self,
        wanted: LetterFilter,
        by: Person,
        *,
        limits: Limits | None = None,
        dry_run: bool = False,
        told: Told = lambda _report: None,
    ) -> BulkReport:
        """Give letters up for good.

        Raises:
            Misconfigured: Another process works on the same letters.
        """
        return self._bulk(Discard(), _open(wanted), by, limits, dry_run, told)

    def _bulk(
        self, action: bulk.Action, wanted: LetterFilter, by: Person, limits: Limits | None, dry_run: bool, told: Told
    ) -> BulkReport:
        _check(by)
        limits = limits or Limits()
        if dry_run:
            return bulk.try_out(self._ledger, action, wanted, limits.most)
        return bulk.run(self._ledger, action, wanted, by, limits, told)

    # -- postings

    def retry(self, name: str, by: Person, *, not_booked: bool = False, dry_run: bool = False) -> Change:
        """Let a poster work on a document again.

        Args:
            name: External reference, document key or letter.
            by: Who and why.
            not_booked: The ERP was looked into and does not have it: a parked posting is sent without asking.
            dry_run: Only say what would change.

        Raises:
            Misconfigured: There is nothing of that name.
            Rejected: There is nothing to try again.
            Retriable: A poster works on the order right now.
        """
        return self._change(by, dry_run, lambda _e, c, now: repair.retry(c, name, by, now, not_booked=not_booked))

    def park(self, name: str, by: Person, *, dry_run: bool = False) -> Change:
        """Take a document out of the queue until a person decides; raises as `retry` does."""
        return self._change(by, dry_run, lambda engine, c, now: repair.park(engine, c, name, by, now))

    def approve(self, name: str, by: Person, *, dry_run: bool = False) -> Change:
        """Let a document that awaits approval be posted; raises as `retry` does."""
        return self._change(by, dry_run, lambda _e, c, now: approvals.approve(c, name, by, now))

    def refuse(self, name: str, by: Person, *, dry_run: bool = False) -> Change:
        """Keep a document that awaits approval from being posted; raises as `retry` does."""
        return self._change(by, dry_run, lambda _e, c, now: approvals.refuse(c, name, by, now))

    def confirm_booked(self, name: str, number: str, by: Person, *, dry_run: bool = False) -> Change:
        """Say that the ERP has a posting under a document number; raises as `retry` does."""
        return self._change(by, dry_run, lambda _e, c, now: repair.confirm_booked(c, name, number, by, now))

    def _change(self, by: Person, dry_run: bool, write: Callable[[Engine, Connection, int], Change]) -> Change:
        _check(by)

        def tried(engine: Engine, connection: Connection, now: int) -> Change:
            attempt = connection.begin_nested()
            change = write(engine, connection, now)
            if dry_run:
                attempt.rollback()
            return change

        return self._ledger.change(tried)


def _open(wanted: LetterFilter) -> LetterFilter:
    """Letters that wait, unless states or single letters are named."""
    return wanted if wanted.states or wanted.ids else replace(wanted, states=("open",))


def _check(by: Person) -> None:
    if not by.who.strip() or not by.why.strip():
        raise Misconfigured("--who, --reason: who acts and why has to be said; an auditor will ask")


__all__ = ["Desk", "Shown"]
