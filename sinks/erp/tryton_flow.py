"""A Tryton record on its way to being booked: one button after the other, from whatever state it is found in.

A production is created, waits, is assigned, runs and is done: five requests, and a crash may come between any two.
Its state in Tryton says how far it got, so answers, look-ups and crashes all go on in the same way from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial

from sinks.erp.connector import Answer, Kind, Next, Verdict
from sinks.erp.tryton_rest import Record, Rest, date_value, records, refusal

#: State that a button leaves the record in when the ERP has to do something first, and its reason.
_STOCK_SHORT = {("assign_try", "waiting"): "stock_short"}


@dataclass(frozen=True, slots=True)
class Flow:
    """Life of one kind of record.

    Args:
        model: Tryton's model.
        reference: Field that holds the external reference.
        buttons: What to press in which state.
        done: States in which it is booked.
        undo: What to press in which state to get it out of the way.
        waits: By button and the state that it led to, why nothing can be pressed for now.
    """

    model: str
    reference: str
    buttons: Mapping[str, str]
    done: frozenset[str]
    undo: Mapping[str, str]
    waits: Mapping[tuple[str, str], str]


PRODUCTION = Flow(
    "production",
    "reference",
    {"request": "draft", "draft": "wait", "waiting": "assign_try", "assigned": "run", "running": "do"},
    frozenset({"done"}),
    dict.fromkeys(("request", "draft", "waiting", "assigned", "running", "done"), "cancel"),
    _STOCK_SHORT,
)
SHIPMENT = Flow(
    "stock.shipment.internal",
    "reference",
    {"request": "draft", "draft": "wait", "waiting": "assign_try", "assigned": "do"},
    frozenset({"done"}),
    dict.fromkeys(("request", "draft", "waiting", "assigned", "done"), "cancel"),
    _STOCK_SHORT,
)
#: Once it is processed a purchase request exists, and purchasing has it.
REQUISITION = Flow(
    "purchase.requisition",
    "description",
    {"draft": "wait", "waiting": "approve", "approved": "process"},
    frozenset({"processing", "done"}),
    {"draft": "cancel", "waiting": "draft", "approved": "draft"},
    {("approve", "approved"): "queued"},  # Tryton's worker will process it
)
#: A requisition that a person approves.
REQUEST = replace(REQUISITION, buttons={"draft": "wait"}, done=frozenset({"waiting", "approved", "processing", "done"}))
_CANCELLED = frozenset({"cancelled"})
_FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Course:
    """Takes records through their flow.

    Args:
        rest: Builds the requests.
        flow: Life of the record.
        stock_retry_seconds: Before asking again whether stock has come.
        posting_date: Date that it is posted on, None for today.
    """

    rest: Rest
    flow: Flow
    stock_retry_seconds: float
    posting_date: date | None = None

    def forward(self, record: Record, pressed: str | None = None) -> Verdict:
        """Booked, or the next button.

        Args:
            record: With `id` and `state`.
            pressed: The button that brought it here, None where it was created or found.
        """
        state, document = record["state"], f"{self.flow.model},{record['id']}"
        if state in self.flow.done:
            return Verdict(Kind.BOOKED, erp_document=document)
        if why := self.flow.waits.get((pressed or "", state)):
            wait = self.stock_retry_seconds if why == "stock_short" else None
            return Verdict(Kind.ACCEPTED, document, why, f"{document} is {state}", wait=wait, begun=True)
        button = self.flow.buttons.get(state)
        if button is None or button == pressed:
            return Verdict(Kind.UNKNOWN, reason="unexpected_state", detail=f"{document} is {state}", begun=True)
        return self._press(record, button, partial(self._pressed, record, button))

    def backward(self, record: Record, why: Verdict | None = None) -> Verdict:
        """Cancelled, or the next button that leads there.

        Args:
            record: With `id` and `state`.
            why: What to say in the end, where this is the withdrawal of a posting that was refused half-way.
        """
        state, document = record["state"], f"{self.flow.model},{record['id']}"
        if state in _CANCELLED:
            return why or Verdict(Kind.BOOKED, erp_document=document)
        button = self.flow.undo.get(state)
        if button is None:
            detail = f"{document} is {state} and cannot be cancelled any more"
            return why or Verdict(Kind.REJECTED, reason="no_reversal", detail=detail)
        return self._press(record, button, partial(self._undone, record, why))

    def _press(self, record: Record, button: str, read: partial[Verdict]) -> Verdict:
        request = self.rest.press(self.flow.model, record["id"], button)
        return Verdict(Kind.CONTINUE, next=Next(request, read), begun=True)

    def _pressed(self, before: Record, button: str, answer: Answer) -> Verdict:
        refused = _refusal(answer)
        if refused is None:
            [record] = records(answer)
            return self.forward(record, button)
        if refused.kind is Kind.REJECTED:
            return self._explained(refused, lambda why: self._ask_again(before, partial(self._refused, before, why)))
        return refused

    def _explained(self, refused: Verdict, then: Callable[[Verdict], Verdict]) -> Verdict:
        """To a button Tryton says no more than 403, in a closed period as without permission: ask which it is."""
        if refused.reason != _FORBIDDEN:
            return then(refused)
        on = date_value(self.posting_date or datetime.now(UTC).date())
        closed = [["state", "=", "closed"], ["date", ">=", on], ["company", "=", self.rest.company]]

        def read(answer: Answer) -> Verdict:
            if refusal(answer) or not records(answer):
                return then(refused)
            return then(replace(refused, reason="closed_period", detail="the stock period is closed"))

        return Verdict(Kind.CONTINUE, next=Next(self.rest.find("stock.period", closed, ["date"]), read), begun=True)

    def _ask_again(self, record: Record, read: partial[Verdict]) -> Verdict:
        """A button may be refused because an earlier request that was given up has had its effect after all."""
        request = self.rest.find(self.flow.model, [["id", "=", record["id"]]], ["state"])
        return Verdict(Kind.CONTINUE, next=Next(request, read), begun=True)

    def _refused(self, before: Record, why: Verdict, answer: Answer) -> Verdict:
        """Half of a posting must not stay in the ERP: what was refused is withdrawn as a whole."""
        [record] = records(answer)
        return self.backward(record, why) if record["state"] == before["state"] else self.forward(record)

    def _undone(self, before: Record, why: Verdict | None, answer: Answer) -> Verdict:
        refused = _refusal(answer)
        if refused is None:
            [record] = records(answer)
            return self.backward(record, why)
        if refused.kind is Kind.REJECTED:
            return self._explained(
                refused, lambda said: self._ask_again(before, partial(self._not_undone, before, why, said))
            )
        return refused

    def _not_undone(self, before: Record, why: Verdict | None, refused: Verdict, answer: Answer) -> Verdict:
        [record] = records(answer)
        if record["state"] != before["state"]:
            return self.backward(record, why)
        if why is None:
            return refused
        left = f"{self.flow.model},{record['id']} is left {record['state']}: {refused.detail}"
        return replace(why, detail=f"{why.detail}; {left}")


def _refusal(answer: Answer) -> Verdict | None:
    """What a refused button means: the record is there, so 403 concerns this document."""
    if answer.status == 403:
        return Verdict(Kind.REJECTED, reason=_FORBIDDEN, detail="Tryton does not allow the button for this record")
    return refusal(answer)
