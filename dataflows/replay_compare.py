"""A replay and the ledger: what stands there of its range, and whether the history holds what it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from dataflows.replay import Replay
from dataflows.replay_changes import Compared, Held, compare, is_completion
from dataflows.replay_late import Late, late_of
from dataflows.replay_range import UNBOUND, Orders, Range, text
from millrace.ledger import Ledger
from millrace.ledger.converters import CONVERTERS
from millrace.ledger.model import DesiredDocument
from millrace.ledger.standing import (
    LATE,
    Standing,
    Which,
    archived_of,
    standing_in,
)
from sinks.ledger import document_records

#: Plant, topic (the contract), partition and offset of an event.
Place = tuple[str, str, int, int]


def standing_documents(
    ledger: Ledger, kinds: Sequence[str], wanted: Range, touched: Orders | None
) -> dict[str, Standing]:
    """Documents of the range in the ledger, by key; what is archived too."""
    orders = None if touched is None else sorted({order for _, order in touched})

    def ask(connection: Connection) -> dict[str, Standing]:
        found = [each for which in _which(kinds, wanted, orders) for each in standing_in(connection, which)]
        found += [each for each in archived_of(connection, touched) if each.kind in kinds]
        return {each.key: each for each in found if wanted.holds(each.plant, each.order_id, each.sort_key, touched)}

    return ledger.ask(ask)


def _which(kinds: Sequence[str], wanted: Range, orders: Sequence[str] | None) -> Iterator[Which]:
    plants, mine = wanted.plants or None, wanted.orders or None
    first = None if wanted.first is None else text(wanted.first)
    yield Which(kinds, first, None if wanted.until is None else text(wanted.until), plants, mine)
    if orders is not None:
        yield Which(kinds, UNBOUND, f"{UNBOUND}~", plants, orders)


def made_documents(replay: Replay) -> Iterator[DesiredDocument]:
    """What a replay made of its range."""
    for contract in replay.announced.contracts():
        documents = replay.announced.documents(contract)
        for record in document_records(documents, replay.settings.flow, whole=True):
            document = CONVERTERS[contract](record)
            if not replay.widen or replay.wanted.holds(
                document.plant, document.order_id, document.sort_key, replay.touched
            ):
                yield document


def compare_with(ledger: Ledger, replay: Replay) -> Compared:
    """Hold a computed replay against the ledger as it is now."""
    standing = standing_documents(ledger, replay.flow.kinds, replay.wanted, replay.touched)
    plants = {folder.plant for folder in replay.rows.plant_days()}
    mine = {key: each for key, each in standing.items() if each.plant in plants}
    closed = text(replay.newest - int(replay.settings.lateness_s * 1e6))

    def in_history(some: Sequence[Standing]) -> set[str]:
        ends = [each for each in some if is_completion(each)]
        return _covered(ledger, replay, ends) | _all_read(replay, [each for each in some if not is_completion(each)])

    compared = compare(_as_booked(made_documents(replay), mine), mine, replay.announced.given_up(), closed, in_history)
    _hold_back(compared, _late_meanwhile(replay, standing))
    return compared


def _as_booked(made: Iterator[DesiredDocument], mine: Mapping[str, Standing]) -> Iterator[DesiredDocument]:
    """Late additions that an earlier release booked keep the key that they have: a second one would book them twice."""
    known = {late_of(key, each.plant): key for key, each in mine.items() if key.startswith(LATE)}
    for each in made:
        late = late_of(each.key, each.plant)
        key = None if late is None else known.get(Late(*late[:4]))
        yield replace(each, key=key) if key is not None and each.key not in mine else each


def _late_meanwhile(replay: Replay, standing: Mapping[str, Standing]) -> Orders:
    """Orders with late additions that the ledger did not have yet when the replay asked for them."""
    known = {None, *replay.late}
    late = (each for key, each in standing.items() if key.startswith(LATE) and late_of(key, each.plant) not in known)
    return frozenset((each.plant, each.order_id) for each in late)


def _hold_back(compared: Compared, orders: Orders) -> None:
    """Put nothing of these: the history may have held what came late, which then counts in its window as well."""
    compared.changes = [
        replace(change, held=change.held or Held.HISTORY_SHORT)
        if (change.document.plant, change.document.order_id) in orders
        else change
        for change in compared.changes
    ]


def _covered(ledger: Ledger, replay: Replay, ends: Sequence[Standing]) -> set[str]:
    """Keys of completions of whose operation the replay has read every event that the ledger's windows count."""
    if not ends:
        return set()
    revisions = {
        key: revision
        for contract in replay.announced.contracts()
        for key, revision in replay.announced.documents(contract).select("document_key", "revision").iter_rows()
    }
    which = Which(replay.flow.kinds, orders=sorted({each.order_id for each in ends}))
    standing = ledger.ask(lambda connection: list(standing_in(connection, which)))
    behind = [each for each in standing if not (is_completion(each) or each.wants_nothing)]
    read = _all_read(replay, [each for each in behind if each.key not in revisions])
    short = {
        (each.plant, each.order_id, each.operation)
        for each in behind
        if revisions.get(each.key, -1) < each.revision and each.key not in read
    }
    return {each.key for each in ends if (each.plant, each.order_id, each.operation) not in short}


def _all_read(replay: Replay, gone: Sequence[Standing]) -> set[str]:
    """Keys of the documents whose first and last event of each partition are in the history."""
    rows, known = replay.rows, set[Place]()
    wanted = {each.key: _places(each) for each in gone if each.attributes.get("origins")}
    for day in sorted({day for each in gone for day in _dates(each)}):
        for contract in {place[1] for places in wanted.values() for place in places} & set(rows.topics):
            found = rows.load(contract, day, lambda frame: frame.select("plant", "partition", "offset"))
            known |= {(plant, contract, partition, offset) for plant, partition, offset in found.iter_rows()}
        known &= {place for places in wanted.values() for place in places}
    return {key for key, places in wanted.items() if places and places <= known}


def _places(standing: Standing) -> set[Place]:
    origins: list[dict[str, Any]] = standing.attributes["origins"]
    ends = ("first_offset", "last_offset")
    return {(standing.plant, each["topic"], each["partition"], each[end]) for each in origins for end in ends}


def _dates(standing: Standing) -> Iterator[date]:
    times = [standing.attributes.get(name) for name in ("first_event_time", "last_event_time")]
    instants = sorted(datetime.fromisoformat(each).astimezone(UTC) for each in times if each)
    if instants:
        day, last = instants[0].date(), instants[-1].date()
        while day <= last:
            yield day
            day += timedelta(days=1)


__all__ = ["compare_with", "made_documents", "standing_documents"]
