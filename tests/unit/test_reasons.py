"""Every reason for which something is given up has a class, and there is one table for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from millrace.ledger.reasons import ACCEPTED, REASONS, ErrorClass, error_class
from operators.lane_verdicts import _REASONS as VERDICTS
from operators.waiting import NO_ACTIVE_JOB, ORDER_UNKNOWN, UNIT_UNKNOWN
from schemas.codec import REASONS as CODEC
from schemas.mapping.reasons import SENTENCES

ROOT = Path(__file__).parents[2]
#: Calls that name a reason, with the place of their argument.
NAMING = {"Rejected": 0, "Fault": 0, "RowReject": 2}
#: Verdicts that make no letter: the poster tries again, or stops.
NO_LETTER = {"Kind.RETRY", "Kind.MISCONFIGURED", "Kind.RENEW"}
#: Refusals of a command, not of a record or document.
COMMANDS = ("millrace/ledger/actions.py", "millrace/ledger/repair.py", "sinks/resend.py")


def calls() -> Iterator[ast.Call]:
    for folder in ("millrace/ledger", "operators", "schemas", "sources", "sinks"):
        for path in (ROOT / folder).rglob("*.py"):
            if str(path.relative_to(ROOT)) not in COMMANDS and "governance" not in path.parts:
                yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def literals() -> set[str]:
    """Reasons that are written out where something is refused."""
    found: set[str] = set()
    for call in calls():
        name = ast.unparse(call.func).rpartition(".")[2]
        given = [call.args[NAMING[name]]] if name in NAMING and len(call.args) > NAMING[name] else []
        if name == "Verdict" and call.args and ast.unparse(call.args[0]) not in NO_LETTER:
            given += [each.value for each in call.keywords if each.arg == "reason"]
        found |= {each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return found


def test_every_reason_in_the_code_has_a_class() -> None:
    used = literals() | set(CODEC) | set(SENTENCES) | {reason for reason, _ in VERDICTS.values()}
    used |= {ORDER_UNKNOWN, NO_ACTIVE_JOB, UNIT_UNKNOWN}
    assert len(used) > 50
    assert used - REASONS.keys() == set()


def test_every_class_has_reasons_and_a_message_of_an_erp_is_the_application_s() -> None:
    assert set(REASONS.values()) == set(ErrorClass)
    assert error_class("M7/021") is ErrorClass.APPLICATION


def test_what_counts_as_accepted_is_a_reason() -> None:
    assert REASONS.keys() >= ACCEPTED
