"""Sending dead letters again: once each, over kills, never in circles, with a reason and an audit row."""

from __future__ import annotations

from decimal import Decimal

import pytest

from millrace.errors import Misconfigured, Retriable
from millrace.ledger import DeadLetter, Ledger, Status
from millrace.ledger.actions import Replay
from millrace.ledger.bulk import Limits, run
from millrace.ledger.desk import Desk
from millrace.ledger.letter_states import Person
from millrace.ledger.letters import LetterFilter
from tests.conformance.erp_world import Clock, document
from tests.unit.ledger_desk import book_all, claim, finish, want
from tests.unit.letter_desk import ANN, Killed, Log, one, only, record, state


def total(revision: int = 3, key: str = "P1|1000001|0010|1") -> DeadLetter:
    fields = {"topic": "MachineCycle", "payload": b"{}", "document_key": key, "revision": revision}
    return DeadLetter(
        f"total/{key}", 1, "P1", "confirmations", "TOTAL", "order_unknown", "order is not known", **fields
    )


# -- records


def test_a_replayed_record_goes_to_its_topic_once_and_the_audit_says_who_why_and_where(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(1), record(2, "tombstone")])
    log = Log()
    report = Desk(ledger, records=log).replay(LetterFilter(reasons=("decode",)), ANN)
    assert (report.done, report.finished, log.sent) == (["machine-cycle/0/1"], True, [("machine-cycle/0/1", 1)])
    shown = Desk(ledger).show("machine-cycle/0/1").report
    assert (shown.letter.state, shown.letter.replays) == ("replayed", 1)
    [row] = shown.audit
    assert (row["who"], row["from_status"], row["to_status"]) == ("ann", "open", "replayed")
    assert row["why"] == "registry was mended (sent to machine-cycle/0/1)"
    assert state(ledger, "machine-cycle/0/2") == "open"


def test_a_dry_run_names_the_letters_and_changes_nothing(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(1), record(2, "beyond_horizon")])
    log = Log()
    report = Desk(ledger, records=log).replay(LetterFilter(), ANN, dry_run=True)
    assert report.done == ["machine-cycle/0/1"]
    assert [name for name, _ in report.skipped] == ["machine-cycle/0/2"]
    assert log.sent == []
    assert [one(ledger, f"machine-cycle/0/{n}").replays for n in (1, 2)] == [0, 0]


def test_a_record_that_fails_again_keeps_its_letter_which_is_open_again(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(1)])
    Desk(ledger, records=Log()).replay(LetterFilter(), ANN)
    ledger.put_dead_letters([record(1, "bad_enum", replay=1, event_time=9_000)])
    letter = one(ledger, "machine-cycle/0/1")
    assert (letter.state, letter.reason, letter.replays) == ("open", "bad_enum", 1)


def test_a_failure_that_is_read_again_after_a_crash_does_not_reopen_a_later_replay(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(1)])
    desk = Desk(ledger, records=Log())
    desk.replay(LetterFilter(), ANN)
    ledger.put_dead_letters([record(1, replay=1)])
    desk.replay(LetterFilter(), ANN)
    ledger.put_dead_letters([record(1), record(1, replay=1)])
    assert state(ledger, "machine-cycle/0/1") == "replayed"


def test_a_failure_that_is_faster_than_the_desk_keeps_the_letter_open(ledger: Ledger) -> None:
    """The flow may read and refuse the record before whoever sent it has noted that it was sent."""

    class Fast(Log):
        def send(self, letter, intent, *, again):
            place = super().send(letter, intent, again=again)
            ledger.put_dead_letters([record(1, replay=1)])
            return place

    ledger.put_dead_letters([record(1)])
    Desk(ledger, records=Fast()).replay(LetterFilter(), ANN)
    assert (state(ledger, "machine-cycle/0/1"), one(ledger, "machine-cycle/0/1").replays) == ("open", 1)


def again_and_again(ledger: Ledger, cap: int | None, rounds: int = 30) -> int:
    """Somebody's script replays all that is open, and the flow refuses all of it each time."""
    log = Log()
    ledger.put_dead_letters([record(1)])
    for number in range(1, rounds + 1):
        before = len(log.sent)
        Desk(ledger, records=log).replay(LetterFilter(), ANN, cap=cap)
        if len(log.sent) == before:
            break
        ledger.put_dead_letters([record(1, replay=number)])
    return len(log.sent)


def test_a_record_that_always_fails_is_not_replayed_for_ever(ledger: Ledger) -> None:
    assert again_and_again(ledger, cap=5) == 5


def test_without_the_cap_it_goes_round_in_circles(ledger: Ledger) -> None:
    """Negative control."""
    assert again_and_again(ledger, cap=None) == 30


def test_late_records_that_the_history_has_are_not_sent_again_as_they_are(ledger: Ledger) -> None:
    """They would count as repeats: the letter would be gone and the pieces missing."""
    ledger.put_dead_letters([record(1, "beyond_horizon")])
    report = Desk(ledger, records=Log()).replay(LetterFilter(), ANN)
    assert report.done == []
    assert "report the pieces" in report.skipped[0][1]
    assert state(ledger, "machine-cycle/0/1") == "open"


def test_a_corrected_payload_belongs_to_one_letter(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(1), record(2)])
    with pytest.raises(Misconfigured, match="one letter"):
        Desk(ledger, records=Log()).replay(LetterFilter(), ANN, payload=b"x")
    assert Desk(ledger, records=Log()).replay(only("machine-cycle/0/2"), ANN, payload=b"x").done == [
        "machine-cycle/0/2"
    ]


def test_a_change_without_a_person_or_a_reason_is_refused(ledger: Ledger) -> None:
    for by in (Person("", "why"), Person("ann", " ")):
        with pytest.raises(Misconfigured, match="--who, --reason"):
            Desk(ledger, records=Log()).replay(LetterFilter(), by)


# -- bulk


def test_a_rate_waits_between_letters(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(n) for n in range(3)])
    slept: list[float] = []
    Desk(ledger, records=Log()).replay(LetterFilter(), ANN, limits=Limits(rate=4, sleep=slept.append))
    assert slept == [0.25, 0.25, 0.25]


@pytest.mark.parametrize("when", ["kill_before", "kill_after"])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_an_interrupted_replay_goes_on_where_it_stopped_and_sends_nothing_twice(
    ledger: Ledger, when: str, at: int
) -> None:
    ledger.put_dead_letters([record(n) for n in range(1, 6)])
    log = Log(**{when: at})
    with pytest.raises(Killed):
        Desk(ledger, records=log).replay(LetterFilter(), ANN)
    setattr(log, when, 0)
    report = Desk(ledger, records=log).replay(LetterFilter(), Person("bob", "going on"))
    assert report.resumed == at - 1
    assert sorted(log.sent) == [(f"machine-cycle/0/{n}", 1) for n in range(1, 6)]


def test_without_asking_the_log_a_kill_after_sending_sends_twice(ledger: Ledger) -> None:
    """Negative control of the test above."""
    ledger.put_dead_letters([record(1)])
    log = Log(kill_after=1, asks=False)
    with pytest.raises(Killed):
        Desk(ledger, records=log).replay(LetterFilter(), ANN)
    Desk(ledger, records=log).replay(LetterFilter(), ANN)
    assert len(log.sent) == 2


def test_letters_that_failed_again_during_an_interruption_are_not_part_of_the_same_replay(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.put_dead_letters([record(n) for n in range(1, 4)])
    log = Log(kill_before=3)
    with pytest.raises(Killed):
        Desk(ledger, records=log).replay(LetterFilter(), ANN)
    ledger.put_dead_letters([record(1, replay=1, event_time=clock() + 1)])
    Desk(ledger, records=log).replay(LetterFilter(), ANN)
    assert sorted(log.sent) == [(f"machine-cycle/0/{n}", 1) for n in range(1, 4)]


def test_a_broker_that_is_down_stops_the_run_and_the_next_one_goes_on(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(1)])
    log = Log(down=True)
    with pytest.raises(Retriable, match="no broker"):
        Desk(ledger, records=log).replay(LetterFilter(), ANN)
    log.down = False
    assert Desk(ledger, records=log).replay(LetterFilter(), ANN).done == ["machine-cycle/0/1"]


def test_two_people_do_not_work_on_the_same_campaign(ledger: Ledger, tmp_path, clock: Clock) -> None:
    ledger.put_dead_letters([record(1)])
    with Ledger(f"sqlite:///{tmp_path}/ledger.db", clock=clock, who="other") as other:

        class Meanwhile(Log):
            def send(self, letter, intent, *, again):
                with pytest.raises(Misconfigured, match="worked on by test"):
                    run(other, Replay(Log()), LetterFilter(states=("open",)), ANN, Limits())
                return super().send(letter, intent, again=again)

        log = Meanwhile()
        Desk(ledger, records=log).replay(LetterFilter(), ANN)
    assert len(log.sent) == 1


def test_discarding_is_final_and_a_repeat_of_the_record_does_not_bring_it_back(ledger: Ledger) -> None:
    ledger.put_dead_letters([record(1)])
    assert Desk(ledger).discard(only("machine-cycle/0/1"), ANN).done == ["machine-cycle/0/1"]
    ledger.put_dead_letters([record(1)])
    assert state(ledger, "machine-cycle/0/1") == "discarded"
    assert Desk(ledger, records=Log()).replay(only("machine-cycle/0/1"), ANN).done == []


# -- totals


def test_a_total_whose_document_comes_after_all_is_resolved(ledger: Ledger) -> None:
    ledger.put_dead_letters([total(revision=3)])
    ledger.put_desired([document(revision=2, **{"yield": "1"})])
    assert state(ledger, "total/P1|1000001|0010|1") == "open"
    ledger.put_desired([document(revision=3, **{"yield": "1"})])
    assert state(ledger, "total/P1|1000001|0010|1") == "resolved"


def test_a_letter_that_comes_after_its_document_is_resolved_at_once(ledger: Ledger) -> None:
    ledger.put_desired([document(revision=3, **{"yield": "1"})])
    ledger.put_dead_letters([total(revision=3)])
    assert state(ledger, "total/P1|1000001|0010|1") == "resolved"


def test_replaying_a_total_puts_its_document_through_the_ledger_and_posts_no_more_than_it_says(ledger: Ledger) -> None:
    class Known:
        def documents(self, _letter):
            return [document(revision=3, **{"yield": "7"})]

    ledger.put_dead_letters([total(revision=3)])
    Desk(ledger, totals=Known()).replay(LetterFilter(), ANN)
    want(ledger, document(revision=3, **{"yield": "7"}))  # the flow has it, too
    book_all(ledger)
    assert state(ledger, "total/P1|1000001|0010|1") == "resolved"
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {"yield": Decimal(7)}}


# -- postings


def test_replaying_a_posting_s_letter_plans_the_document_anew_and_resolves_it_when_booked(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "1"}))
    finish(ledger, claim(ledger), Status.REJECTED, reason="M7/021")
    report = Desk(ledger).replay(LetterFilter(reasons=("M7/021",)), ANN)
    [name] = report.done
    assert (state(ledger, name), one(ledger, name).replays) == ("replayed", 1)
    ledger.intake(lambda _plant, _kind: "sap")
    book_all(ledger)
    assert state(ledger, name) == "resolved"
    assert ledger.booked_totals() == {("P1", "1000001", "0010"): {"yield": Decimal(1)}}
