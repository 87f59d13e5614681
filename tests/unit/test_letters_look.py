"""Finding dead letters: filters, pages, counts, and one with all that is known of it."""

from __future__ import annotations

import pytest

from millrace.errors import Misconfigured
from millrace.ledger import Ledger, Status
from millrace.ledger.desk import Desk
from millrace.ledger.letters import LetterFilter
from tests.conformance.erp_world import document
from tests.unit.ledger_desk import claim, finish, want
from tests.unit.letter_desk import record


def ids(ledger: Ledger, **wanted) -> list[str]:
    return [letter.event_id for letter in Desk(ledger).list(LetterFilter(**wanted)).letters]


def test_letters_come_newest_first_and_a_page_at_a_time(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(n) for n in range(7)])
    desk, seen, cursor = Desk(ledger), [], None
    while True:
        page = desk.list(LetterFilter(), limit=3, cursor=cursor)
        seen += [letter.offset for letter in page.letters]
        if (cursor := page.cursor) is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1, 0]


def test_letters_of_one_instant_are_on_one_page_each(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(n, event_time=5) for n in range(5)])
    first = Desk(ledger).list(LetterFilter(), limit=2)
    second = Desk(ledger).list(LetterFilter(), limit=9, cursor=first.cursor)
    assert [letter.offset for letter in (*first.letters, *second.letters)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("wanted", "offsets"),
    [
        ({"reasons": ["future_event_time"]}, [2]),
        ({"classes": ["transport"]}, [1]),
        ({"classes": ["transport", "partner_data"]}, [2, 1]),
        ({"flows": ["other"]}, [3]),
        ({"owners": ["moulding"]}, [2]),
        ({"plants": ["P2"]}, [3]),
        ({"orders": ["4711"]}, [3]),
        ({"since": 1002}, [3, 2]),
        ({"until": 1001}, [1]),
        ({"kinds": ["TOTAL"]}, []),
        ({"states": ["open"], "kinds": ["RECORD"], "reasons": ["decode", "unmatched"]}, [3, 1]),
    ],
)
def test_filters(ledger: Ledger, wanted: dict, offsets: list[int]) -> None:
    ledger.put_dead_letters(
        [
            record(1, "decode"),
            record(2, "future_event_time", owner="moulding"),
            record(3, "unmatched", source="other", plant="P2", payload=b'{"order_id": "4711"}'),
        ]
    )
    assert ids(ledger, **wanted) == [f"machine-cycle/0/{offset}" for offset in offsets]


def test_an_unknown_kind_class_or_cursor_is_refused_by_name(ledger: Ledger) -> None:
    for wanted in (LetterFilter(kinds=("RECORDS",)), LetterFilter(classes=("partner data",))):
        with pytest.raises(Misconfigured, match=r"RECORDS|partner data"):
            Desk(ledger).list(wanted)
    with pytest.raises(Misconfigured, match="next"):
        Desk(ledger).list(LetterFilter(), cursor="next")


def test_counts_are_by_reason_and_state_the_most_first(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(1), record(2), record(3, "tombstone", events=5)])
    found = [(c.reason, c.error_class, c.state, c.letters, c.events) for c in Desk(ledger).counts(LetterFilter())]
    assert found == [("decode", "transport", "open", 2, 2), ("tombstone", "transport", "open", 1, 5)]


def test_a_posting_s_letter_is_shown_with_its_document_its_postings_and_what_was_done(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021", detail="deficit of stock")
    [name] = ids(ledger, orders=["1000001"])
    report = Desk(ledger).show(name).report
    assert (report.letter.reason, report.letter.error_class) == ("M7/021", "application")
    assert report.document is not None
    assert report.document["state"] == "rejected"
    assert [posting["status"] for posting in report.postings] == ["rejected"]
    assert [change["to_status"] for change in report.audit] == ["in_flight", "rejected"]


def test_a_letter_that_does_not_exist_is_refused_by_name(ledger: Ledger) -> None:
    with pytest.raises(Misconfigured, match="machine-cycle/9/9"):
        Desk(ledger).show("machine-cycle/9/9")
