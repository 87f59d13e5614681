"""Which documents a replay would change, by how much and why: what it made held against what the ledger holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from millrace.ledger.model import DesiredDocument
from millrace.ledger.standing import Standing

#: Attributes that tell where a total comes from, not what an ERP should show.
_PROVENANCE = {"origins", "event_count", "first_event_time", "last_event_time"}
#: Windows that end before this have no end: completions and whole operations, which are announced when complete.
_UNBOUND = "1970-01-02"
#: Attributes that come from orders, materials and calendars.
_FROM_MASTER_DATA = {"material", "unit", "shift", "posting_date", "window_start", "window_end"}


class Why(StrEnum):
    """Why a document would change.

    DOCUMENT_MISSING: the ledger has none under its key. EVENTS_MISSING: the ledger has it with fewer events.
    MASTER_DATA: same events, but the order, material or calendar says something else now. RULES: same events and
    master data, other settings (or a newer Millrace). STOCK: a request was decided with another stock in view: records
    were late or not there. FOLLOWS: an earlier request of its place differs, so what is expected there does too.
    """

    DOCUMENT_MISSING = "document_missing"
    EVENTS_MISSING = "events_missing"
    MASTER_DATA = "master_data"
    RULES = "rules"
    STOCK = "stock"
    FOLLOWS = "follows"


class Held(StrEnum):
    """Why a change is shown but never put.

    HISTORY_SHORT: the history holds fewer events than the ledger has counted. OLDER_ORDER: the order is given in an
    older version than the ledger has used. COUNTED: the ledger has counted other events in the window than the files of
    a backfill hold.
    """

    HISTORY_SHORT = "history_short"
    COUNTED = "counted"
    OLDER_ORDER = "older_order"


@dataclass(frozen=True, slots=True)
class Change:
    """One document that would change.

    Args:
        document: What would be desired.
        before: What is desired now; None where the ledger does not know it.
        why: Reason.
        held: Set where it is not put.
        detail: What changed, for a person.
    """

    document: DesiredDocument
    before: Standing | None
    why: Why
    held: Held | None = None
    detail: str = ""

    @property
    def kind(self) -> str:
        """new, changed or withdrawn."""
        if self.before is None:
            return "new"
        return "withdrawn" if _nothing(self.document) else "changed"

    def differences(self) -> list[dict[str, Any]]:
        """By measure what is desired now, what would be, and the difference."""
        before = {} if self.before is None or self.before.cancelled else self.before.quantities
        after = {} if self.document.cancelled else self.document.quantities
        rows = ((name, before.get(name, Decimal(0)), after.get(name, Decimal(0))) for name in sorted({*before, *after}))
        return [{"measure": n, "ledger": b, "replay": a, "difference": a - b} for n, b, a in rows if a != b]


@dataclass(slots=True)
class Compared:
    """What came of a comparison.

    Args:
        changes: Documents that differ.
        same: Documents that do not.
        open: Documents whose window had not closed where the history ends and which the ledger does not know yet, and
            completions of their orders.
    """

    changes: list[Change] = field(default_factory=list)
    same: int = 0
    open: int = 0

    @property
    def to_put(self) -> list[DesiredDocument]:
        """What would be put."""
        return [change.document for change in self.changes if change.held is None]


def compare(
    made: Iterable[DesiredDocument],
    standing: Mapping[str, Standing],
    given_up: Mapping[str, str],
    closed_up_to: str,
    in_history: Callable[[Sequence[Standing]], set[str]],
) -> Compared:
    """Hold what a replay made against what the ledger holds.

    Args:
        made: Documents of the range.
        standing: Documents of the range in the ledger, by key.
        given_up: Reason by document of totals that the replay gave up.
        closed_up_to: Instant (ISO 8601) up to which windows have closed where the history ends.
        in_history: Of documents of the ledger, the keys of those whose events were all read.
    """
    compared = Compared()
    listed = list(made)
    running = {(d.plant, d.order_id) for d in listed if _end(d) > closed_up_to}
    ends = [before for d in listed if (before := standing.get(d.key)) is not None and is_completion(before)]
    covered = in_history(ends) if ends else set()
    for document in listed:
        before, still = standing.get(document.key), (document.plant, document.order_id) in running
        if before is None:
            _unknown(document, still, closed_up_to, compared)
        elif is_completion(before) and still:
            compared.open += 1
        elif is_completion(before):
            _known(_of_same_events(document, before, covered), before, compared)
        else:
            _known(document, before, compared)
    keys = {document.key for document in listed}
    gone = [each for key, each in standing.items() if key not in keys and not each.wants_nothing]
    compared.same += sum(key not in keys and each.wants_nothing for key, each in standing.items())
    complete = in_history(gone) if gone else set()
    compared.changes += [_withdrawn(each, given_up.get(each.key), each.key in complete) for each in gone]
    compared.changes.sort(
        key=lambda change: (change.document.plant, change.document.order_id, change.document.sort_key)
    )
    return compared


def _end(document: DesiredDocument) -> str:
    return str(document.attributes.get("window_end") or "")


def is_completion(document: DesiredDocument | Standing) -> bool:
    """Whether it tells of a whole operation and counts no events of its own."""
    end = str(document.attributes.get("window_end") or "9")
    return end < _UNBOUND and not document.attributes.get("origins")


def _of_same_events(document: DesiredDocument, before: Standing, covered: Collection[str]) -> DesiredDocument:
    """A completion under the revision that the ledger has, where all events behind that were read.

    The revision of a completion also counts what its flow announced for a while and took back, so those of two runs
    can't be told apart by it.
    """
    return replace(document, revision=before.revision) if document.key in covered else document


def _unknown(document: DesiredDocument, running: bool, closed_up_to: str, compared: Compared) -> None:
    unbound = _end(document) < _UNBOUND
    if _end(document) > closed_up_to or (unbound and (running or not document.final)):
        compared.open += 1
    elif _nothing(document):
        compared.same += 1
    else:
        compared.changes.append(Change(document, None, Why.DOCUMENT_MISSING))


def _known(document: DesiredDocument, before: Standing, compared: Compared) -> None:
    fields = changed_fields(document, before)
    if not fields:
        compared.same += 1
        return
    why, held = _judge(document, before, fields)
    compared.changes.append(Change(document, before, why, held, _detail(document, before, fields)))


def changed_fields(document: DesiredDocument, before: Standing) -> list[str]:
    """Names of measures and attributes in which two documents differ; empty where an ERP should show the same."""
    if (document.cancelled or before.cancelled) and _nothing(document) and before.wants_nothing:
        return []
    names = [n for n in sorted({*document.quantities, *before.quantities}) if _differs(n, document, before)]
    attributes = {*document.attributes, *before.attributes} - _PROVENANCE
    if not is_completion(before):
        attributes -= {"over_delivery"}  # of the operation, as it stood when the total was announced
    names += [n for n in sorted(attributes) if document.attributes.get(n) != before.attributes.get(n)]
    names += ["final"] if document.final != before.final else []
    return names + (["cancelled"] if document.cancelled != before.cancelled else [])


def _differs(name: str, document: DesiredDocument, before: Standing) -> bool:
    return document.quantities.get(name, 0) != before.quantities.get(name, 0)


def _judge(document: DesiredDocument, before: Standing, fields: Sequence[str]) -> tuple[Why, Held | None]:
    if document.revision != before.revision:
        return Why.EVENTS_MISSING, None if document.revision > before.revision else Held.HISTORY_SHORT
    if document.reference_version != before.reference_version:
        older = document.reference_version < before.reference_version
        return Why.MASTER_DATA, Held.OLDER_ORDER if older else None
    return (Why.MASTER_DATA if _FROM_MASTER_DATA & set(fields) else Why.RULES), None


def _detail(document: DesiredDocument, before: Standing, fields: Sequence[str]) -> str:
    told = []
    if document.revision != before.revision:
        told.append(f"{before.revision} events in the ledger, {document.revision} in the history")
    if document.reference_version != before.reference_version:
        told.append(f"order version {before.reference_version}, now {document.reference_version}")
    attributes = [name for name in fields if name in document.attributes or name in before.attributes]
    told += [f"{n} was {before.attributes.get(n)}, is {document.attributes.get(n)}" for n in attributes]
    told += [f"{n} was {getattr(before, n)}, is {getattr(document, n)}" for n in ("final", "cancelled") if n in fields]
    return "; ".join(told)


def _withdrawn(before: Standing, reason: str | None, complete: bool) -> Change:
    """What was made once and is not any more: its events are in the history, but count elsewhere or nowhere now."""
    document = DesiredDocument(
        key=before.key,
        kind=before.kind,
        plant=before.plant,
        order_id=before.order_id,
        sort_key=before.sort_key,
        tier=before.tier,
        revision=before.revision,
        reference_version=before.reference_version,
        quantities={},
        attributes=before.attributes,
        cancelled=before.final,  # a final flag is taken back with the whole document only
    )
    why = Why.RULES if reason is None else Why.MASTER_DATA
    detail = "its events make no such total any more" if reason is None else f"the total is given up: {reason}"
    return Change(document, before, why, None if complete else Held.HISTORY_SHORT, detail)


def _nothing(document: DesiredDocument) -> bool:
    return document.cancelled or not (document.quantities or document.final)


__all__ = ["Change", "Compared", "Held", "Why", "changed_fields", "compare", "is_completion"]
