"""Tryton 8: productions, stock moves, quality holds and purchase requisitions over its REST interface.

Effect: each posting is one Tryton record that carries the external reference from its creation on; buttons take it
to its end. Before a record is created Tryton is asked for the reference, since it takes duplicates. Reversal cancels
the record, which takes the group Stock Cancellation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Self

from pydantic import Field

from millrace.errors import Rejected
from millrace.ledger import confirmation, goods_movement, quality, requisition
from millrace.ledger.model import Action, Step
from millrace.ledger.records import SERIAL
from sinks.erp import tryton_moves
from sinks.erp.connector import Answer, Kind, Next, Request, Verdict
from sinks.erp.tryton_create import Creation
from sinks.erp.tryton_flow import PRODUCTION, REQUEST, REQUISITION, SHIPMENT, Course, Flow
from sinks.erp.tryton_ids import symbol_of
from sinks.erp.tryton_moves import COMPONENT
from sinks.erp.tryton_options import RecordOptions
from sinks.erp.tryton_rest import Rest, records, refusal

#: A measure that the ERP has no place for is rounded away as a whole.
_NOT_HELD = Decimal(10) ** 12
_PIECES = ("quantity", "yield", confirmation.SCRAP)


class TrytonOptions(RecordOptions):
    """Options of the connector.

    Args:
        stock_retry_seconds: Before looking again whether stock has come that a posting waits for.
        search_first: Ask for the reference before the first request too. Off only in negative controls: a ledger
            that was restored from a backup would post again what is in Tryton.
    """

    stock_retry_seconds: float = Field(300.0, gt=0)
    search_first: bool = True


class Tryton:
    """Connector; see the module."""

    kinds: ClassVar[frozenset[str]] = frozenset(
        {confirmation.KIND, goods_movement.KIND, quality.KIND, requisition.KIND}
    )

    def __init__(self, options: TrytonOptions) -> None:
        self._options = options
        self._rest = Rest(options.company, options.employee)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From settings."""
        return cls(TrytonOptions.model_validate(options))

    def quantum(self, measure: str, attributes: Mapping[str, Any]) -> Decimal:
        """The last decimal of the unit; times, and rework without a place for it, are not held at all."""
        if measure.startswith(SERIAL):
            return Decimal(1)
        if measure.startswith(COMPONENT):
            component = (attributes.get("components") or {}).get(measure.removeprefix(COMPONENT)) or {}
            return self._step(component.get("unit"))
        if measure.startswith(_PIECES) or (measure == "rework" and self._options.places.rework):
            return self._step(attributes.get("unit"))
        return _NOT_HELD

    def _step(self, unit: str | None) -> Decimal:
        try:
            symbol = symbol_of(unit or "", self._options.units)
        except Rejected:
            symbol = ""
        return Decimal(1).scaleb(-self._options.digits.get(symbol, 2))

    def split(self, amounts: Mapping[str, Decimal]) -> Sequence[Mapping[str, Decimal]]:
        """A record takes them all."""
        return [amounts]

    def session(self) -> None:
        """None: the key goes with every request."""

    def session_headers(self, answer: Answer) -> None:
        """None."""

    def build(self, step: Step) -> Request:
        """Ask for the reference; with `search_first` off, for the first id."""
        return self._opening(step).request

    def classify(self, step: Step, answer: Answer) -> Verdict:
        """Go on from what was found."""
        if step.action is Action.REVERSE:
            return refusal(answer) or self.read_lookup(step, answer)
        return self._opening(step).read(answer)

    def _opening(self, step: Step) -> Next:
        """The first request, and how to read its answer."""
        asked = Next(self.lookup(step), partial(self._searched, step))
        return asked if self._options.search_first else self._create(step).next or asked

    def _searched(self, step: Step, answer: Answer) -> Verdict:
        verdict = refusal(answer) or self.read_lookup(step, answer)
        return self._create(step) if verdict.kind is Kind.ABSENT else verdict

    def _create(self, step: Step) -> Verdict:
        return Creation(step, self._course(step), self._rest, self._options).begin()

    def lookup(self, step: Step) -> Request:
        """Ask for the external reference; a reversal's is the state of what it cancels."""
        flow = self._flow(step)
        if step.action is Action.REVERSE:
            number = int((step.reverses_document or "").rpartition(",")[2])
            return self._rest.find(flow.model, [["id", "=", number]], ["state"])
        mine = [[flow.reference, "like", f"{step.external_reference}%"], ["state", "!=", "cancelled"]]
        return self._rest.find(flow.model, mine, ["state"])

    def read_lookup(self, step: Step, answer: Answer) -> Verdict:
        """How far the record got, and the next button."""
        found = records(answer)
        course = self._course(step)
        if step.action is Action.REVERSE:
            if not found:
                return Verdict(Kind.REJECTED, reason="no_reversal", detail=f"{step.reverses_document} is not in Tryton")
            return course.backward(found[0])
        if not found:
            return Verdict(Kind.ABSENT)
        return course.forward(min(found, key=lambda record: int(record["id"])))

    def reverse(self, step: Step) -> Request:
        """Ask for the state of what is to be cancelled."""
        return self.lookup(step)

    def _flow(self, step: Step) -> Flow:
        if step.kind == requisition.KIND:
            return REQUISITION if self._options.approve else REQUEST
        return PRODUCTION if tryton_moves.in_production(step) else SHIPMENT

    def _course(self, step: Step) -> Course:
        on = step.attributes.get("posting_date")
        posting_date = date.fromisoformat(on) if on else None
        return Course(self._rest, self._flow(step), self._options.stock_retry_seconds, posting_date)
