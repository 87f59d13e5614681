"""Dead letters of totals are resolved when exactly what they told of has come, and say so in the audit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from millrace.ledger import DeadLetter, Ledger, healing
from millrace.ledger.healing import EmptiedTotal, without_job
from millrace.ledger.letters import LetterFilter, page
from millrace.ledger.model import DesiredDocument
from millrace.ledger.tables import audit
from tests.conformance.erp_world import document

WINDOW = "0010|WC|S1|1772431200000000"
NOBODY = "P1|||WC|S1|1772431200000000"


def origin(first: int, last: int, events: int, partition: int = 0) -> dict[str, Any]:
    return {
        "topic": "MachineCycle",
        "partition": partition,
        "first_offset": first,
        "last_offset": last,
        "events": events,
    }


def letter(key: str = NOBODY, reason: str = "no_active_job", revision: int = 3, **values: Any) -> DeadLetter:
    payload = json.dumps({"origins": [origin(5, 9, 3)]}).encode()
    made = DeadLetter(f"total/{key}", 1, "P1", "confirmations", "TOTAL", reason, "", payload=payload)
    return replace(made, **{"document_key": key, "revision": revision, "events": 3, **values})


def of_order(order: str, *origins: dict[str, Any], revision: int = 1) -> DesiredDocument:
    plain = document(1, order, revision, **{"yield": "1"})
    return replace(plain, key=f"P1|{order}|{WINDOW}", attributes={**plain.attributes, "origins": list(origins)})


def still_open(ledger: Ledger) -> list[str]:
    wanted = LetterFilter(states=("open",))
    return [each.event_id for each in ledger.ask(lambda connection: page(connection, wanted)).letters]


def said(ledger: Ledger) -> list[tuple[str, str, str, str]]:
    query = select(audit.c.who, audit.c.from_status, audit.c.to_status, audit.c.why).where(
        audit.c.letter_id.is_not(None)
    )
    return [tuple(row) for row in ledger.ask(lambda connection: connection.execute(query).all())]


def empty(ledger: Ledger, revision: int = 4) -> None:
    ledger.put_dead_letters([], [EmptiedTotal(NOBODY, revision)])


def test_a_total_whose_order_came_is_resolved_with_an_audit_row(ledger: Ledger) -> None:
    key = f"P1|O1|{WINDOW}"
    ledger.put_dead_letters([letter(key, "order_unknown")])
    ledger.put_desired([of_order("O1", revision=2)])
    assert len(still_open(ledger)) == 1, "it does not hold all yet"
    ledger.put_desired([of_order("O1", revision=3)])
    assert still_open(ledger) == []
    assert said(ledger) == [("test", "open", "resolved", f"healed: {key} has come, with revision 3")]
    ledger.put_desired([of_order("O1", revision=4)])
    assert len(said(ledger)) == 1


@pytest.mark.parametrize("document_first", [True, False])
def test_a_total_without_job_is_resolved_when_it_is_empty_and_its_pieces_are_found(
    ledger: Ledger, document_first: bool
) -> None:
    ledger.put_dead_letters([letter()])
    moves = [lambda: ledger.put_desired([of_order("O1", origin(5, 9, 3))]), lambda: empty(ledger)]
    first, second = moves if document_first else reversed(moves)
    first()
    assert len(still_open(ledger)) == 1
    second()
    assert still_open(ledger) == []
    why = f"healed: all its pieces have a job now, in P1|O1|{WINDOW}"
    assert said(ledger) == [("test", "open", "resolved", why)]
    empty(ledger)
    first()
    ledger.put_dead_letters([letter()])  # an earlier life says it again
    assert (still_open(ledger), len(said(ledger))) == ([], 1)


def test_pieces_that_went_to_two_orders_are_found_in_both(ledger: Ledger) -> None:
    ledger.put_dead_letters([letter()])
    empty(ledger)
    ledger.put_desired([of_order("O1", origin(5, 6, 2))])
    assert len(still_open(ledger)) == 1
    ledger.put_desired([of_order("O|2".replace("|", "%7C"), origin(9, 9, 1))])
    assert still_open(ledger) == []


@pytest.mark.parametrize(
    "held",
    [
        pytest.param([origin(5, 9, 2)], id="fewer events"),
        pytest.param([origin(5, 8, 3)], id="not to the last record"),
        pytest.param([origin(6, 9, 3)], id="not from the first record"),
        pytest.param([origin(5, 9, 3, partition=1)], id="another partition"),
        pytest.param([], id="nothing known of its records"),
    ],
)
def test_what_is_not_found_for_sure_stays_open(ledger: Ledger, held: list[dict[str, Any]]) -> None:
    ledger.put_dead_letters([letter()])
    empty(ledger)
    ledger.put_desired([of_order("O1", *held)])
    assert len(still_open(ledger)) == 1


def test_a_total_that_is_not_empty_stays_open_wherever_its_records_are(ledger: Ledger) -> None:
    ledger.put_dead_letters([letter()])
    ledger.put_desired([of_order("O1", origin(5, 9, 3))])
    ledger.put_dead_letters([letter(revision=4, events=1)], [EmptiedTotal(NOBODY, 3)])  # of an earlier life
    assert len(still_open(ledger)) == 1


def test_a_letter_of_before_origins_were_kept_stays_for_a_person(ledger: Ledger) -> None:
    ledger.put_dead_letters([letter(payload=b"{}")])
    ledger.put_desired([of_order("O1", origin(5, 9, 3))])
    empty(ledger)
    assert len(still_open(ledger)) == 1


def test_pieces_that_lose_their_job_again_open_a_letter_again(ledger: Ledger) -> None:
    ledger.put_dead_letters([letter()])
    ledger.put_desired([of_order("O1", origin(5, 9, 3))])
    empty(ledger)
    ledger.put_dead_letters([letter(revision=5)])
    assert len(still_open(ledger)) == 1


def test_only_documents_of_orders_and_windows_have_a_total_without_a_job_beside_them() -> None:
    assert without_job(f"P1|O1|{WINDOW}") == NOBODY
    assert [without_job(key) for key in (NOBODY, "late|machine-cycle/0/5", "P1|O1|0010|final")] == [None, None, None]


def test_without_the_look_at_its_records_a_letter_would_be_resolved_by_a_guess(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(healing, "_is_held", lambda *_: True)
    ledger.put_dead_letters([letter()])
    empty(ledger)
    ledger.put_desired([of_order("O1", origin(100, 100, 1))])
    assert still_open(ledger) == []
