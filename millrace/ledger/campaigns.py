"""Bulk work on dead letters, letter by letter, with a cursor: what was interrupted goes on where it stopped.

A letter is worked on in order of identity. Before anything leaves the ledger for it, what is about to be done is noted
durably (`intent`); its end moves the cursor in the same transaction that changes the letter. So a campaign that was
killed knows of each letter whether it is done, and asks about the one that it was at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from millrace.errors import Misconfigured
from millrace.ledger.letter_states import Person
from millrace.ledger.replica import known_dead, name_of
from millrace.ledger.tables import OPEN_CAMPAIGN, campaigns
from millrace.ledger.text import dump_json, load_json

#: A runner without a sign of life for this long has lost its campaign, microseconds.
SILENCE = 120_000_000


@dataclass(frozen=True, slots=True)
class Campaign:
    """A bulk action under way.

    Args:
        number: Its identity.
        by: Who began it, and why.
        begun_at: When, microseconds UTC; letters given up later are no part of it.
        cursor: Identity of the last letter that is done, "" at first.
        intent: What was being done to the next letter when the last runner stopped; None for nothing.
        done: Letters done.
        skipped: Letters left out, each for a reason.
        resumed: It was begun by an earlier run.
    """

    number: int
    by: Person
    begun_at: int
    cursor: str
    intent: Mapping[str, Any] | None
    done: int
    skipped: int
    resumed: bool


def join(
    connection: Connection, action: str, selection: Mapping[str, Any], by: Person, now: int, runner: str
) -> Campaign:
    """The unfinished campaign for the same letters, taken over; a new one where there is none.

    Raises:
        Misconfigured: Another process works on it.
    """
    wanted = dump_json(dict(selection))
    row = connection.execute(
        select(campaigns)
        .where(OPEN_CAMPAIGN, campaigns.c.action == action, campaigns.c.selection == wanted)
        .order_by(campaigns.c.id)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return _begin(connection, action, wanted, by, now, runner)
    if row.runner != runner and row.beat_at > now - SILENCE and not known_dead(row.runner):
        raise Misconfigured(f"campaign {row.id} ({action}) is being worked on by {name_of(row.runner)}")
    connection.execute(update(campaigns).where(campaigns.c.id == row.id).values(runner=runner, beat_at=now))
    intent = load_json(row.intent) if row.intent else None
    person = Person(row.who, row.why)
    return Campaign(row.id, person, row.begun_at, row.cursor, intent, row.done, row.skipped, resumed=True)


def _begin(connection: Connection, action: str, selection: str, by: Person, now: int, runner: str) -> Campaign:
    values = {"cursor": "", "done": 0, "skipped": 0, "runner": runner, "beat_at": now, "begun_at": now}
    made = connection.execute(
        insert(campaigns).values(action=action, selection=selection, who=by.who, why=by.why, **values)
    )
    key = made.inserted_primary_key
    if key is None:
        raise Misconfigured("the ledger's database gives no key for a new row")
    return Campaign(key[0], by, now, "", None, 0, 0, resumed=False)


def intend(connection: Connection, campaign: int, runner: str, intent: Mapping[str, Any], now: int) -> None:
    """Note what is about to be done, before it is done.

    Raises:
        Misconfigured: Another process has taken the campaign over.
    """
    _mine(connection, campaign, runner, intent=dump_json(dict(intent)), beat_at=now)


def advance(connection: Connection, campaign: int, runner: str, letter_id: str, now: int, *, skipped: bool) -> None:
    """A letter is done with.

    Raises:
        Misconfigured: Another process has taken the campaign over.
    """
    counted = campaigns.c.skipped if skipped else campaigns.c.done
    counts = {counted.name: counted + 1}
    _mine(connection, campaign, runner, cursor=letter_id, intent=None, beat_at=now, **counts)


def end(connection: Connection, campaign: int, runner: str, now: int) -> None:
    """No letter is left."""
    _mine(connection, campaign, runner, ended_at=now)


def release(connection: Connection, campaign: int, runner: str) -> None:
    """Stop for now: any process may go on at once."""
    _mine(connection, campaign, runner, beat_at=0)


def _mine(connection: Connection, campaign: int, runner: str, **values: Any) -> None:
    mine = update(campaigns).where(campaigns.c.id == campaign, campaigns.c.runner == runner)
    if not connection.execute(mine.values(values)).rowcount:
        raise Misconfigured(f"campaign {campaign} was taken over by another process")


__all__ = ["Campaign", "advance", "end", "intend", "join", "release"]
