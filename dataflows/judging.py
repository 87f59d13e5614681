"""What a flow would do with records, without doing it: accept, drop as repeats, or give up, and why.

Nothing is written and no offset moves, so producers try their records against a running plant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dataflows import parts
from dataflows.settings import EVENTS, ConfirmationsSettings
from operators.shifts import CalendarBook, utc_calendar
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.governance.deprecated_use import DeprecatedUse, Use, WatchedCodec
from schemas.mapping import MappedBatch
from schemas.registry import SchemaSource

#: Most given-up records that are listed; the counts are over all.
LISTED = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that would be dead-lettered."""

    place: str
    reason: str
    detail: str


@dataclass(slots=True)
class Judgement:
    """What would become of records.

    Args:
        read: Records read.
        accepted: Records that would count.
        duplicates: Records that would be dropped as repeats of others.
        reasons: Records that would be dead-lettered, by reason.
        letters: The first of them.
        deprecated: Records that use deprecated fields, by field and source.
    """

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    letters: list[Letter] = field(default_factory=list)
    deprecated: Use = field(default_factory=Counter)

    @property
    def dead(self) -> int:
        """Records that would be dead-lettered."""
        return self.reasons.total()

    def give_up(self, place: str, reason: str, detail: str) -> None:
        """Take in a record that would be dead-lettered."""
        self.reasons[reason] += 1
        if len(self.letters) < LISTED:
            self.letters.append(Letter(place, reason, detail))

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "read": self.read,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "dead_letters": self.dead,
            "reasons": dict(self.reasons.most_common()),
            "first": [{"place": each.place, "reason": each.reason, "detail": each.detail} for each in self.letters],
            "deprecated": plain_use(self.deprecated),
        }


def plain_use(use: Use) -> list[dict[str, Any]]:
    """Use of deprecated fields for JSON, the most used first."""
    return [{"field": name, "source": source, "records": n} for (name, source), n in use.most_common()]


def judge_topic(
    name: str,
    batches: Iterable[RawBatch],
    schemas: SchemaSource,
    settings: ConfirmationsSettings,
    calendar: CalendarBook | None = None,
) -> Judgement:
    """Judge a topic's records by the flow's own rules; those that no flow reads as events, by their contract alone.

    Args:
        name: Contract of the topic.
        batches: The records.
        schemas: Where writers' schemas come from.
        settings: Limits and numbering of the flow.
        calendar: Shifts; UTC days where it is left out.
    """
    verdict = Judgement()
    decoder = WatchedCodec(Codec(contract(name), schemas), lambda _, use: verdict.deprecated.update(use))
    if name not in EVENTS:
        for batch in batches:
            rejects = decoder.decode(batch).rejects
            verdict.read += len(batch.values)
            verdict.accepted += len(batch.values) - len(rejects)
            for each in rejects:
                verdict.give_up(_place(batch, each.row), each.reason, each.detail)
        return verdict
    _through_lane(name, batches, decoder, settings, calendar, verdict)
    return verdict


def _through_lane(
    name: str,
    batches: Iterable[RawBatch],
    decoder: WatchedCodec,
    settings: ConfirmationsSettings,
    calendar: CalendarBook | None,
    verdict: Judgement,
) -> None:
    alone = settings.model_copy(update={"history": None, "mappings": {}})
    lane = None
    for batch in batches:
        if lane is None:
            book = calendar or CalendarBook(default=utc_calendar())
            lane = parts.lane_builder(alone, {batch.topic: decoder}, book, {name: batch.topic})("look")
        for dead in lane.process(batch).dead:
            verdict.give_up(f"{dead.topic}/{dead.partition}/{dead.offset}", dead.reason, dead.detail)
        verdict.read += len(batch.values)
    if lane is not None:
        verdict.duplicates = lane.counts[f"duplicates:{name}"]
        verdict.accepted = verdict.read - verdict.dead - verdict.duplicates


def judge_files(name: str, batches: Iterator[tuple[str, MappedBatch]]) -> Judgement:
    """Judge records of files, as a run on files would.

    Args:
        name: Contract.
        batches: File and what the reader made of some rows of it.
    """
    verdict, use = Judgement(), DeprecatedUse(contract(name))
    for file, mapped in batches:
        verdict.read += mapped.read
        verdict.accepted += mapped.mapped
        for reject in mapped.rejects:
            verdict.give_up(f"{file}:{reject.line}", reject.reason, f"{reject.field}: {reject.detail}")
        if name in mapped.frames:
            verdict.deprecated += use.of(mapped.frames[name])
    return verdict


def _place(batch: RawBatch, row: int) -> str:
    return f"{batch.topic}/{batch.partitions[row]}/{batch.offsets[row]}"
