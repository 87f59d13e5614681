"""What a replay may do to a document, on any database."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from threading import Barrier, Thread

from millrace.ledger import Ledger, Status
from millrace.ledger.letter_states import Person
from millrace.ledger.model import DesiredDocument
from millrace.ledger.replaying import Fate, put
from tests.conformance.erp_world import document
from tests.unit.ledger_desk import book_all, claim, finish, want

BY = Person("ann", "a rule was wrong")


def put_one(ledger: Ledger, made: DesiredDocument) -> Fate:
    [fate] = ledger.change(lambda engine, connection, now: put(engine, connection, [made], BY, now)).counts
    return fate


def check_replaying(url: str) -> None:
    """New, same, other content of the same version, fewer events, more events, under way, refused, parked."""
    with Ledger(url, who="test") as ledger:
        two = document(1, revision=2, **{"yield": "7"})
        assert put_one(ledger, two) is Fate.PUT
        assert put_one(ledger, two) is Fate.SAME
        assert put_one(ledger, replace(two, revision=1)) is Fate.SUPERSEDED
        want(ledger)
        [step] = claim(ledger)
        less = replace(two, quantities={"yield": Decimal(5)})
        assert put_one(ledger, less) is Fate.UNDER_WAY
        finish(ledger, [step], Status.UNKNOWN)
        assert put_one(ledger, less) is Fate.UNDER_WAY, "nobody knows what became of it"
        book_all(ledger)
        assert put_one(ledger, less) is Fate.PUT
        want(ledger)
        assert [step.action.value for step in book_all(ledger)] == ["reverse", "book"]
        assert {name: dict(total) for name, total in ledger.booked_totals().items()} == {
            ("P1", "1000001", "0010"): {"yield": Decimal(5)}
        }
        assert put_one(ledger, replace(less, revision=3, quantities={"yield": Decimal(6)})) is Fate.PUT
        want(ledger)
        finish(ledger, claim(ledger), Status.PARKED, reason="unsure")
        assert put_one(ledger, replace(less, revision=3, quantities={"yield": Decimal(8)})) is Fate.PARKED
        assert ledger.inconsistent() == []


def check_refused(url: str) -> None:
    """A document that the ERP refused is tried again with its corrected content."""
    with Ledger(url, who="test") as ledger:
        want(ledger, document(1, **{"yield": "7"}))
        finish(ledger, claim(ledger), Status.REJECTED, reason="quantity")
        assert put_one(ledger, document(1, **{"yield": "5"})) is Fate.PUT
        want(ledger)
        [step] = book_all(ledger)
        assert dict(step.quantities) == {"yield": Decimal(5)}


def check_races(url: str) -> None:
    """A flow raises totals while a replay replaces them: the higher revision stands, whoever is first."""
    with Ledger(url, who="flow") as flow, Ledger(url, who="replay") as replay:
        first = [document(n, str(n), **{"yield": "7"}) for n in range(20)]
        flow.put_desired(first)
        late = [replace(each, revision=2, quantities={"yield": Decimal(9)}) for each in first]
        other = [replace(each, quantities={"yield": Decimal(5)}) for each in first]
        at_once = Barrier(2)

        def raise_totals() -> None:
            at_once.wait()
            flow.put_desired(late)

        thread = Thread(target=raise_totals)
        thread.start()
        at_once.wait()
        for each in other:
            put_one(replay, each)
        thread.join()
        want(flow)
        assert {step.quantities["yield"] for step in book_all(flow)} == {Decimal(9)}
