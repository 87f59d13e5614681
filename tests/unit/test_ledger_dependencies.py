"""What is declared to wait for what, and what the ledger makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from millrace.errors import Misconfigured
from millrace.ledger import DesiredDocument, Ledger, Status, dependency_waits, status
from millrace.ledger.dependencies import Dependencies, DependencyRule
from millrace.ledger.model import Action, Step
from sinks.erp.settings import PosterSettings
from tests.conformance.erp_world import SYSTEM, Clock, document
from tests.unit.ledger_desk import RULES, finish, want

CONFIRMATION = {"kind": "ProductionConfirmation"}
ISSUE = {"kind": "GoodsMovement", "role": "issue"}
HOLD, RELEASE = ({"kind": "QualityNotification", "role": role} for role in ("hold", "release"))
SETUP = {**CONFIRMATION, "measure": "setup_time"}
FINAL = {**CONFIRMATION, "final": True}
_CIRCLE = (("a", HOLD, RELEASE), ("b", RELEASE, HOLD))


def rule(name: str, waiting: dict[str, Any], needed: dict[str, Any], **more: Any) -> DependencyRule:
    return DependencyRule(name=name, document=waiting, waits_for=needed, **more)


def movement(number: int, role: str = "issue", kind: str = "GoodsMovement", **more: Any) -> DesiredDocument:
    plain = document(number, **more)
    amounts = {"quantity": Decimal(2)} if not plain.quantities else plain.quantities
    attributes = {**plain.attributes, "role": role}
    return replace(plain, key=f"{plain.key}|{role}", kind=kind, quantities=amounts, attributes=attributes)


class Desk:
    """A poster that goes by declared dependencies."""

    def __init__(self, ledger: Ledger, *rules: DependencyRule) -> None:
        self.ledger = ledger
        self.rules = replace(RULES, dependencies=Dependencies(rules))

    def claim(self) -> list[Step]:
        return self.ledger.claim(SYSTEM, 10, self.rules)

    def book_all(self) -> list[tuple[str, str, bool]]:
        """Key without its front, action and final flag of everything booked, in order."""
        done = []
        while steps := self.claim():
            finish(self.ledger, steps)
            done += [(step.document_key.partition("0010|")[2], step.action.value, step.final) for step in steps]
        return done

    def waits(self) -> dict[str, str]:
        reports = self.ledger.order_report("1000001")
        return {r.document["key"][16:]: r.document["waits_for"] for r in reports if r.document["waits_for"]}


@pytest.fixture
def desk(ledger: Ledger) -> Callable[..., Desk]:
    return lambda *rules: Desk(ledger, *rules)


def test_a_document_waits_until_what_it_depends_on_is_settled(desk, ledger: Ledger) -> None:
    served = desk(rule("issue before confirmation", CONFIRMATION, ISSUE))
    want(ledger, document(1, **{"yield": "5"}), movement(2))
    assert served.book_all() == [("2|issue", "book", False), ("1", "book", False)]


def test_the_ledger_says_for_what_and_since_when_a_document_waits(desk, ledger: Ledger, clock: Clock) -> None:
    served = desk(rule("issue before confirmation", CONFIRMATION, ISSUE, overdue_after=60))
    want(ledger, document(1, **{"yield": "5"}), movement(2))
    finish(ledger, served.claim(), Status.REJECTED, reason="M7/021")
    assert served.claim() == []
    assert served.waits() == {"1": "P1|1000001|0010|2|issue: rejected (issue before confirmation)"}
    [wait] = ledger.ask(dependency_waits.by_rule)
    assert (wait.rule, wait.system, wait.count, wait.since) == ("issue before confirmation", SYSTEM, 1, clock())
    told = [w.waits_for for w in ledger.ask(lambda connection: status.waiting(connection, clock()))]
    assert "others: issue before confirmation" in told


def test_a_wait_longer_than_its_rule_allows_is_overdue(desk, ledger: Ledger, clock: Clock) -> None:
    served = desk(rule("hold first", RELEASE, HOLD, missing="wait", overdue_after=60))
    want(ledger, movement(1, "release", "QualityNotification"))
    assert served.claim() == []

    def late() -> list[str]:
        found = ledger.ask(lambda c: dependency_waits.overdue(c, SYSTEM, served.rules.dependencies, clock()))
        return [each.oldest for each in found]

    assert late() == []
    clock.advance(61)
    served.claim()
    assert late() == ["P1|1000001|0010|1|release"]


@pytest.mark.parametrize(("missing", "posted"), [("ignore", True), ("wait", False)])
def test_what_never_came_is_ignored_or_waited_for_as_declared(desk, ledger: Ledger, missing: str, posted: bool) -> None:
    served = desk(rule("hold first", RELEASE, HOLD, missing=missing))
    want(ledger, movement(1, "release", "QualityNotification"))
    assert bool(served.book_all()) is posted
    assert served.waits() == ({} if posted else {"1|release": "a hold QualityNotification (hold first)"})


def test_a_document_that_comes_late_frees_what_waited_for_it(desk, ledger: Ledger) -> None:
    served = desk(rule("hold first", RELEASE, HOLD, missing="wait"))
    want(ledger, movement(1, "release", "QualityNotification"))
    assert served.book_all() == []
    want(ledger, movement(2, "hold", "QualityNotification"))
    assert [key for key, _, _ in served.book_all()] == ["2|hold", "1|release"]


def test_only_the_final_flag_waits_where_the_rule_holds_only_that(desk, ledger: Ledger) -> None:
    served = desk(rule("issue before final", FINAL, ISSUE, holds="final"))
    want(ledger, document(1, final=True, **{"yield": "5"}), movement(2))
    assert served.book_all() == [("1", "book", False), ("2|issue", "book", False), ("1", "book", True)]


def test_an_operation_waits_for_earlier_ones_only(desk, ledger: Ledger) -> None:
    served = desk(rule("operations in turn", CONFIRMATION, CONFIRMATION, operation="earlier"))
    want(ledger, document(1, operation="0100", **{"yield": "1"}), document(2, operation="0020", **{"yield": "1"}))
    steps = []
    while claimed := served.claim():
        finish(ledger, claimed)
        steps += [step.operation for step in claimed]
    assert steps == ["0020", "0100"]


def test_documents_agree_in_the_attributes_that_a_rule_names(desk, ledger: Ledger) -> None:
    served = desk(rule("hold first", RELEASE, HOLD, same=["shift"]))
    other = movement(2, "hold", "QualityNotification")
    want(
        ledger,
        movement(1, "release", "QualityNotification"),
        replace(other, attributes={**other.attributes, "shift": "L"}),
    )
    assert [key for key, _, _ in served.book_all()] == ["1|release", "2|hold"]


def test_a_document_may_name_another_that_it_requires_in_any_order(desk, ledger: Ledger, clock: Clock) -> None:
    receipt = movement(1, "receipt", order="1000009")
    invoice = replace(document(2, **{"yield": "1"}), requires=[{"key": receipt.key, "why": "receipt before invoice"}])
    served = desk()
    want(ledger, invoice)
    assert served.book_all() == []
    assert served.waits() == {"2": f"{receipt.key} (receipt before invoice)"}
    want(ledger, receipt)
    served.book_all()
    clock.advance(61)
    assert served.book_all() == [("2", "book", False)]


def test_documents_that_require_each_other_say_so(desk, ledger: Ledger) -> None:
    first = replace(document(1, **{"yield": "1"}), requires=[{"key": "P1|1000001|0010|2"}])
    other = replace(document(2, **{"yield": "1"}), requires=[{"key": first.key}])
    served = desk()
    want(ledger, first, other)
    assert served.book_all() == []
    assert "a circle, which a newer version has to break" in served.waits()["1"]


def test_what_depends_on_a_correction_is_taken_back_before_it_and_posted_again_after_it(desk, ledger: Ledger) -> None:
    served = desk(rule("setup before final", FINAL, SETUP))
    want(ledger, document(1, setup_time="60"), document(2, final=True, **{"yield": "5"}))
    served.book_all()
    want(ledger, document(1, revision=2, setup_time="30"))
    assert served.book_all() == [
        ("2", "reverse", True),
        ("1", "reverse", False),
        ("1", "book", False),
        ("2", "book", True),
    ]
    assert ledger.inconsistent() == []


def test_an_independent_correction_leaves_the_others_alone(desk, ledger: Ledger) -> None:
    served = desk(rule("setup before final", FINAL, SETUP, undo="independent"))
    want(ledger, document(1, setup_time="60"), document(2, final=True, **{"yield": "5"}))
    served.book_all()
    want(ledger, document(1, revision=2, setup_time="30"))
    assert served.book_all() == [("1", "reverse", False), ("1", "book", False)]


def test_what_belongs_to_a_refused_document_is_undone_until_it_is_mended(desk, ledger: Ledger) -> None:
    served = desk(rule("issue with confirmation", CONFIRMATION, ISSUE, on_reject="undo"))
    want(ledger, movement(1), document(2, **{"yield": "5"}))
    finish(ledger, served.claim())
    finish(ledger, served.claim(), Status.REJECTED, reason="M7/021")
    assert served.book_all() == [("1|issue", "reverse", False)]
    assert served.waits() == {"1|issue": "P1|1000001|0010|2: rejected (issue with confirmation)"}
    want(ledger, document(2, revision=2, **{"yield": "4"}))
    assert served.book_all() == [("1|issue", "book", False), ("2", "book", False)]


def test_a_dependent_that_a_person_has_to_look_at_holds_the_correction_back(desk, ledger: Ledger) -> None:
    served = desk(rule("setup before final", FINAL, SETUP))
    want(ledger, document(1, setup_time="60"), document(2, final=True, **{"yield": "5"}))
    served.book_all()
    want(ledger, document(2, revision=2, final=True, **{"yield": "6"}))
    finish(ledger, served.claim(), Status.PARKED, reason="cannot_be_asked")
    want(ledger, document(1, revision=2, setup_time="30"))
    assert served.book_all() == []
    assert served.waits() == {"1": "P1|1000001|0010|2 to be reversed first: parked (setup before final)"}


def test_steps_of_a_withdrawn_order_are_reversed_from_the_last_to_the_first(desk, ledger: Ledger) -> None:
    served = desk()
    for revision, total in ((1, "5"), (2, "8")):
        want(ledger, *(document(n, revision=revision, final=n == 3, **{"yield": total}) for n in (1, 2, 3)))
        served.book_all()
    want(ledger, *(replace(document(n, revision=3), quantities={}, cancelled=True) for n in (1, 2, 3)))
    undone = []
    while steps := served.claim():
        assert all(step.action is Action.REVERSE for step in steps)
        undone += [(step.document_key[-1], step.reverses) for step in steps]
        finish(ledger, steps)
    assert [key for key, _ in undone] == ["3", "3", "2", "2", "1", "1"]
    assert len({reversed_ for _, reversed_ in undone}) == 6
    assert not any(report.document["booked_final"] for report in ledger.order_report("1000001"))


CIRCLES = {
    "two kinds": [rule("a", CONFIRMATION, ISSUE), rule("b", ISSUE, CONFIRMATION)],
    "two roles": [rule("a", RELEASE, HOLD), rule("b", HOLD, RELEASE)],
    "three": [rule("a", CONFIRMATION, ISSUE), rule("b", ISSUE, HOLD), rule("c", HOLD, CONFIRMATION)],
    "with the final flag": [rule("a", {**CONFIRMATION, "final": False}, FINAL)],
    "flag for flag": [rule("a", ISSUE, FINAL), rule("b", FINAL, ISSUE, holds="final")],
}


@pytest.mark.parametrize("rules", CIRCLES.values(), ids=CIRCLES)
def test_rules_by_which_documents_wait_for_each_other_are_refused(rules: list[DependencyRule]) -> None:
    with pytest.raises(Misconfigured, match=r"make documents wait for each other: .*'a' \("):
        Dependencies(rules)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(Misconfigured, match="two dependencies are called 'a'"):
        Dependencies([rule("a", CONFIRMATION, ISSUE), rule("a", RELEASE, HOLD)])


def test_documents_that_match_both_sides_of_a_rule_wait_in_their_order(desk, ledger: Ledger) -> None:
    """Two final confirmations with setup each: the later waits for the earlier, never the other way round."""
    served = desk(rule("setup first", CONFIRMATION, SETUP, operation="same"))
    want(ledger, *(document(n, final=True, setup_time="60", **{"yield": "1"}) for n in (2, 1)))
    assert [key for key, _, _ in served.book_all()] == ["1", "2"]


def test_the_example_in_the_documentation_is_accepted() -> None:
    page = (Path(__file__).parents[2] / "docs" / "posting.md").read_text()
    example = yaml.safe_load(page[page.index("dependencies:\n") : page.index("```", page.index("dependencies:\n"))])
    system = {"name": "erp", "connector": "sap_confirmation", "base_url": "https://erp.test"}
    settings = PosterSettings.model_validate({"ledger": "sqlite://", "systems": [system], **example})
    assert len(settings.dependencies) == len(example["dependencies"]) == 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dependencies": [{"name": "a", "document": RELEASE, "waits_for": HOLD, "holds": "flag"}]}, "holds"),
        ({"dependencies": [{"name": "a", "document": {"kind": "Hold"}, "waits_for": HOLD}]}, "unknown contracts: Hold"),
        ({"dependencies": [{"name": n, "document": d, "waits_for": w} for n, d, w in _CIRCLE]}, "wait for each other"),
        ({"zones": {"P1": "Europe/Atlantis"}}, "unknown zones: Europe/Atlantis"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    system = {"name": "erp", "connector": "sap_confirmation", "base_url": "https://erp.test"}
    with pytest.raises(ValidationError, match=said):
        PosterSettings.model_validate({"ledger": "sqlite://", "systems": [system], **settings})
