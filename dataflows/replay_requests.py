"""Which requests a replay would ask for, beside those that procurement was asked for, crossing by crossing.

A crossing has a number, but one more or one less moves all later numbers of its place. So requests are matched in time:
two of a place are the same crossing if neither side has another one that is nearer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from dataflows.replay import Replay
from dataflows.replay_changes import Change, Compared, Held
from dataflows.replay_compare import made_documents, standing_documents
from dataflows.replay_range import Range, text
from dataflows.replay_reasons import asks_the_same, detail, reason
from dataflows.replay_signals import Asked, live_signals, replayed_signals
from dataflows.replenishment_settings import ReplenishmentSettings
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.model import DesiredDocument
from millrace.ledger.standing import Standing
from operators.replenishment_policy import PolicyBook
from operators.safety_stock import Place

#: A crossing as the ledger has it and as the replay has it; None on one side at most.
Crossing = tuple[Standing | None, DesiredDocument | None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What of a request stays where nothing would be asked for.
_KEPT = ("key", "kind", "plant", "order_id", "sort_key", "tier", "revision", "reference_version", "attributes")
_Request = TypeVar("_Request", Standing, DesiredDocument)


def compare_requests(ledger: Ledger, replay: Replay) -> Compared:
    """Hold the requests of a computed replay against those of the ledger.

    All requests of the history are matched, and those of the range are told: whether an earlier one of a place differs
    does not depend on the range.
    """
    everything = replace(replay, wanted=Range(plants=replay.wanted.plants))
    begin = _EPOCH + timedelta(microseconds=replay.days[0].start)
    plants = {folder.plant for folder in replay.rows.plant_days()}
    standing = standing_documents(ledger, replay.flow.kinds, everything.wanted, None).values()
    known = [each for each in standing if each.plant in plants and crossed_at(each) >= begin]
    crossings = matched(known, made_documents(everything))
    short = {place_of(each) for each in standing if each.plant in plants and crossed_at(each) < begin}
    return _compared(crossings, replay, short)


def _compared(crossings: Sequence[Crossing], replay: Replay, short: set[Place]) -> Compared:
    """What of the crossings differs; `short` are places whose first requests lie before the history."""
    closed = _EPOCH + timedelta(microseconds=replay.newest - int(replay.settings.lateness_s * 1e6))
    seen = {**live_signals(replay, _asked(crossings, 1)), **replayed_signals(replay, _asked(crossings, 0))}
    book = _book(replay)
    compared, disturbed = Compared(), set[Place]()
    for before, document in crossings:
        some = _some(before, document)
        place, inside = place_of(some), _inside(some, replay)
        if any(each is not None and crossed_at(each) > closed for each in (before, document)):
            compared.open += inside
        elif before is not None and document is not None and asks_the_same(before, document):
            compared.same += inside
        else:
            signal = seen.get((place, crossed_at(some)))
            why = reason(before, document, signal, book, follows=place in disturbed)
            held = Held.HISTORY_SHORT if place in short else None
            change = Change(_shown(before, document), before, why, held, detail(before, document, signal))
            compared.changes += [change] if inside else []
            disturbed.add(place)
    return compared


def _book(replay: Replay) -> PolicyBook:
    if not isinstance(replay.settings, ReplenishmentSettings):
        raise Misconfigured(f"{replay.settings.flow}: has no rules that requests are made by")
    return replay.settings.book


def _some(before: Standing | None, document: DesiredDocument | None) -> Standing | DesiredDocument:
    found = before or document
    if found is None:
        raise ValueError("a crossing has a request on one side at the least")
    return found


def _inside(request: Standing | DesiredDocument, replay: Replay) -> bool:
    """Whether the range is about it."""
    at = text(_micros(crossed_at(request)))
    return replay.wanted.holds(request.plant, request.order_id, at, None)


def _asked(crossings: Iterable[Crossing], side: int) -> list[Asked]:
    """Place and instant of crossings that only one side has: 0 the ledger, 1 the replay."""
    alone = [each[side] for each in crossings if each[1 - side] is None]
    return [(place_of(each), crossed_at(each)) for each in alone if each is not None]


def _shown(before: Standing | None, document: DesiredDocument | None) -> DesiredDocument:
    """What stands in the table: the request as it would be, under the key that the ledger has."""
    if document is not None:
        return document if before is None else replace(document, key=before.key)
    gone = _some(before, document)
    return DesiredDocument(**{name: getattr(gone, name) for name in _KEPT}, quantities={})


def matched(ledger: Iterable[Standing], made: Iterable[DesiredDocument]) -> list[Crossing]:
    """Crossings of all places, each place's in the order of time."""
    of_ledger, of_replay = _by_place(ledger), _by_place(made)
    places = sorted({*of_ledger, *of_replay})
    return [each for place in places for each in _of_place(of_ledger.get(place, []), of_replay.get(place, []))]


def _by_place(requests: Iterable[_Request]) -> dict[Place, list[_Request]]:
    found: dict[Place, list[_Request]] = {}
    for each in sorted(requests, key=crossed_at):
        found.setdefault(place_of(each), []).append(each)
    return found


def _of_place(ledger: Sequence[Standing], made: Sequence[DesiredDocument]) -> list[Crossing]:
    pairs = dict(nearest_pairs([_micros(crossed_at(e)) for e in ledger], [_micros(crossed_at(e)) for e in made]))
    found: list[Crossing] = [(each, made[pairs[n]] if n in pairs else None) for n, each in enumerate(ledger)]
    taken = set(pairs.values())
    found += [(None, each) for n, each in enumerate(made) if n not in taken]
    return sorted(found, key=lambda each: min(crossed_at(one) for one in each if one is not None))


def nearest_pairs(first: Sequence[int], second: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Indices of instants (sorted) that are each other's nearest; of two as near, the earlier."""
    for index, at in enumerate(first):
        other = _nearest(at, second)
        if other is not None and _nearest(second[other], first) == index:
            yield index, other


def _nearest(at: int, among: Sequence[int]) -> int | None:
    after = bisect_left(among, at)
    near = [index for index in (after - 1, after) if 0 <= index < len(among)]
    return min(near, key=lambda index: abs(among[index] - at), default=None)


def crossed_at(request: Standing | DesiredDocument) -> datetime:
    """When it was asked for."""
    return datetime.fromisoformat(request.attributes["crossed_at"]).astimezone(UTC)


def place_of(request: Standing | DesiredDocument) -> Place:
    """What it is for, and where."""
    return request.plant, request.attributes["material"], request.attributes["storage_location"]


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


__all__ = ["Crossing", "compare_requests", "crossed_at", "matched", "nearest_pairs", "place_of"]
