"""Texts of hostile records in a ledger, whatever the database."""

from __future__ import annotations

import dataclasses

from sqlalchemy import select

from millrace.ledger import Ledger, Status
from millrace.ledger.model import DeadLetter
from millrace.ledger.tables import dead_letters
from tests.conformance.erp_world import document
from tests.unit.ledger_desk import claim, finish, want

NUL, DLE = "\x00", "\x10"
TEXTS = (f"a{NUL}b", f"{DLE}0", f"{DLE}{DLE}{NUL}{DLE}", NUL, DLE)


def check_any_text(ledger: Ledger) -> None:
    """Names and texts with NUL, and with its escape, come back as they were; a count tells what changed."""
    letters = [_letter(number, text) for number, text in enumerate(TEXTS)]
    assert ledger.put_dead_letters(letters) == len(TEXTS)
    assert ledger.put_dead_letters([*letters, *letters]) == 0
    newer = dataclasses.replace(letters[0], revision=2, detail="newer")
    assert ledger.put_dead_letters([newer, *letters]) == 1
    rows = ledger.ask(lambda c: c.execute(select(dead_letters).order_by(dead_letters.c.offset)).all())
    assert [row.source for row in rows] == list(TEXTS)
    assert [row.detail for row in rows] == ["newer", *TEXTS[1:]]
    for text in TEXTS:
        want(ledger, document(1, f"1{text}2", **{"yield": "1"}))
        [step] = claim(ledger)
        assert step.order_id == f"1{text}2"
        finish(ledger, [step], Status.REJECTED, reason="refused", detail=f"the ERP says {text}")
        [report] = ledger.order_report(f"1{text}2")
        assert report.document["reason"] == report.audit[-1]["why"] == f"the ERP says {text}"


def _letter(number: int, text: str) -> DeadLetter:
    return DeadLetter(
        event_id=f"{number}{text}",
        event_time=1,
        plant="P1",
        source=text,
        kind="RECORD",
        reason="bad",
        detail=text,
        topic="t",
        offset=number,
        payload=text.encode(),
        revision=1,
    )
