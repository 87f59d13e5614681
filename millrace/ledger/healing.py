"""Dead letters of totals that heal: what they told of stands in documents after all.

A total that waited for its order in vain is announced all the same when the order comes, under the same key. A total
without a job is different: its pieces move to documents of orders. Its letter is resolved only when the flow has said
that the total is empty now, and documents of the same place and window hold the records that the letter names. What a
confirmation used by the bill of an order that was not known becomes documents of components, or nothing where others
book them all: its letter is resolved when the flow has said that the order has come. Rows that stock lacks are in a
newer balance of the ERP, which the flow says too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from millrace.ledger.goods_movement import LEFT
from millrace.ledger.model import LetterState
from millrace.ledger.tables import WAITING_TOTAL, audit, dead_letters, documents
from millrace.ledger.text import dump_json, load_json

#: Reason of letters whose pieces were counted while no job ran.
NO_JOB = "no_active_job"
#: Reason of letters whose order was not known.
ORDER_UNKNOWN = "order_unknown"
#: Reason of letters of what its order left to another side.
BOOKED_ELSEWHERE = "booked_elsewhere"
#: What is said of letters of other reasons, whose totals went elsewhere.
_ELSEWHERE = {
    ORDER_UNKNOWN: "healed: its order has come and its components are documents of their own, or it shows nothing now",
    BOOKED_ELSEWHERE: "healed: a newer version of its order leaves it to what the plant reports",
    "unit_conversion_unknown": "healed: its material has come and it counts, or a newer balance of the ERP has it",
}
_MOST_KEYS = 400
#: Parts of a document key: plant, order, operation, work centre, shift, window.
_PARTS = 6
Origin = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EmptiedTotal:
    """A total without a job of which nothing is left, or one that something else has now.

    Args:
        document_key: Its key.
        revision: Events that it depends on; of one without a job more than the letter knew of.
        reason: Of the letter that told of it.
    """

    document_key: str
    revision: int
    reason: str = NO_JOB


def heal(connection: Connection, document_keys: Iterable[str | None], now: int, who: str) -> int:
    """Resolve letters that some documents, or letters just put, have to do with. Returns how many."""
    keys = {key for key in document_keys if key is not None}
    if not keys or connection.scalar(select(dead_letters.c.event_id).where(WAITING_TOTAL).limit(1)) is None:
        return 0
    healed, every = 0, sorted(keys)
    for first in range(0, len(every), _MOST_KEYS):
        healed += _heal_some(connection, every[first : first + _MOST_KEYS], now, who)
    return healed


def _heal_some(connection: Connection, keys: Sequence[str], now: int, who: str) -> int:
    resolved = {**_of_same_document(connection, keys), **_reported_here(connection, keys)}
    twins: dict[str, list[str]] = {}
    for key in keys:
        if (twin := without_job(key)) is not None:
            twins.setdefault(twin, []).append(key)
    for letter in _waiting(connection, twins):
        found = sorted({*load_json(letter.found_in or "[]"), *twins[letter.document_key]})
        mine = dead_letters.c.event_id == letter.event_id
        connection.execute(update(dead_letters).where(mine).values(found_in=dump_json(found)))
        if letter.events == 0:
            resolved.update(_all_have_a_job(connection, letter, found))
    _resolve(connection, resolved, now, who)
    return len(resolved)


def empty(connection: Connection, totals: Iterable[EmptiedTotal], now: int, who: str) -> int:
    """Note that totals are empty now; resolve letters whose pieces are found. Returns how many."""
    given = list(totals)
    resolved: dict[str, str] = {}
    for reason in _ELSEWHERE:
        resolved.update(_gone_elsewhere(connection, [total for total in given if total.reason == reason], reason))
    revisions = {total.document_key: total.revision for total in given if total.reason == NO_JOB}
    for letter in _waiting(connection, revisions):
        if letter.revision < revisions[letter.document_key]:
            mine = dead_letters.c.event_id == letter.event_id
            emptied = {"events": 0, "revision": revisions[letter.document_key]}
            connection.execute(update(dead_letters).where(mine).values(emptied))
            resolved.update(_all_have_a_job(connection, letter, load_json(letter.found_in or "[]")))
    _resolve(connection, resolved, now, who)
    return len(resolved)


def _gone_elsewhere(connection: Connection, totals: Sequence[EmptiedTotal], reason: str) -> dict[str, str]:
    """Letters of a reason whose totals went elsewhere; one of a higher revision tells of something newer."""
    revisions = {total.document_key: total.revision for total in totals}
    letters = _waiting(connection, revisions, reason)
    return {
        letter.event_id: _ELSEWHERE[reason] for letter in letters if letter.revision <= revisions[letter.document_key]
    }


def without_job(document_key: str) -> str | None:
    """Key of the total of the same place and window that has no job; None for a document that has none such."""
    parts = document_key.split("|")
    if len(parts) != _PARTS or not parts[1]:
        return None
    return "|".join([parts[0], "", "", *parts[3:]])


def _of_same_document(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Letters whose document holds all that they told of, or more."""
    same = documents.c.key == dead_letters.c.document_key
    rows = connection.execute(
        select(dead_letters.c.event_id, documents.c.key, documents.c.revision)
        .join(documents, same)
        .where(WAITING_TOTAL, dead_letters.c.document_key.in_(keys), documents.c.revision >= dead_letters.c.revision)
    )
    return {row.event_id: f"healed: {row.key} has come, with revision {row.revision}" for row in rows}


def _reported_here(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Letters about documents that their order left to another side, and that a newer version of them books after all.

    The flow says so too, but not of a letter that it told in a life that died: since then it may have read the newer
    version of the order before anything of the document.
    """
    of_document = {key.removesuffix(LEFT) + LEFT: key.removesuffix(LEFT) for key in keys}
    letters = _waiting(connection, of_document, BOOKED_ELSEWHERE)
    if not letters:
        return {}
    of = documents.c
    named = of.key.in_([of_document[letter.document_key] for letter in letters])
    rows = connection.execute(select(of.key, of.revision, of.reference_version).where(named, ~of.cancelled))
    versions = {row.key: row.revision + row.reference_version for row in rows}
    return {
        letter.event_id: _ELSEWHERE[BOOKED_ELSEWHERE]
        for letter in letters
        if versions.get(of_document[letter.document_key], -1) >= letter.revision
    }


def _waiting(connection: Connection, keys: Collection[str], reason: str = NO_JOB) -> Sequence[Any]:
    of = dead_letters.c
    columns = (of.event_id, of.document_key, of.revision, of.events, of.payload, of.found_in)
    found: list[Any] = []
    every = sorted(keys)
    for first in range(0, len(every), _MOST_KEYS):
        some = of.document_key.in_(every[first : first + _MOST_KEYS])
        found += connection.execute(select(*columns).where(WAITING_TOTAL, some, of.reason == reason)).all()
    return found


def _all_have_a_job(connection: Connection, letter: Any, found_in: Sequence[str]) -> dict[str, str]:
    """The letter, where the documents hold all records that it names."""
    named = json.loads(bytes(letter.payload)).get("origins", [])
    rows = connection.execute(select(documents.c.attributes).where(documents.c.key.in_(found_in)))
    held = [origin for row in rows for origin in load_json(row.attributes).get("origins") or []]
    if not named or not all(_is_held(origin, held) for origin in named):
        return {}
    return {letter.event_id: f"healed: all its pieces have a job now, in {', '.join(found_in)}"}


def _is_held(named: Origin, held: Iterable[Origin]) -> bool:
    """Whether documents cover a range of records from its first to its last, and count as many of them."""
    first, last = named["first_offset"], named["last_offset"]
    place = (named["topic"], named["partition"])
    overlapping = [
        each
        for each in held
        if (each["topic"], each["partition"]) == place and each["first_offset"] <= last and each["last_offset"] >= first
    ]
    ends = all(any(e["first_offset"] <= end <= e["last_offset"] for e in overlapping) for end in (first, last))
    return ends and sum(each["events"] for each in overlapping) >= named["events"]


def _resolve(connection: Connection, letters: Mapping[str, str], now: int, who: str) -> None:
    if not letters:
        return
    rows = connection.execute(
        select(dead_letters.c.event_id, dead_letters.c.state).where(dead_letters.c.event_id.in_(letters))
    ).all()
    resolved = LetterState.RESOLVED.value
    connection.execute(
        update(dead_letters).where(dead_letters.c.event_id.in_(letters)).values(state=resolved, state_at=now)
    )
    entry = {"at": now, "who": who, "to_status": resolved}
    connection.execute(
        insert(audit),
        [{**entry, "letter_id": r.event_id, "from_status": r.state, "why": letters[r.event_id]} for r in rows],
    )


__all__ = ["EmptiedTotal", "empty", "heal", "without_job"]
