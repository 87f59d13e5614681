"""How a step becomes a Tryton record: ids are looked up, missing lots are made, then the record is created."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from millrace.errors import Rejected
from millrace.ledger import requisition
from millrace.ledger.model import Step
from millrace.ledger.records import QUANTITY
from sinks.erp import tryton_moves, tryton_values
from sinks.erp.connector import Answer, Kind, Next, Verdict
from sinks.erp.tryton_flow import PRODUCTION, Course
from sinks.erp.tryton_ids import Answers, Ids, Query, ask, queries_for
from sinks.erp.tryton_moves import Line
from sinks.erp.tryton_options import RecordOptions
from sinks.erp.tryton_rest import Record, Rest, records, refusal, text_value


@dataclass(frozen=True, slots=True)
class Creation:
    """The record of one step.

    Args:
        step: What to book.
        course: What becomes of the record afterwards.
        rest: Builds the requests.
        options: The connector's.
    """

    step: Step
    course: Course
    rest: Rest
    options: RecordOptions

    def begin(self) -> Verdict:
        """The first question; REJECTED where Tryton has no record for it, BOOKED where nothing moves."""
        try:
            lines = self._lines()
            if not lines:
                detail = "nothing moves, so Tryton has no record of it"
                return Verdict(Kind.BOOKED, erp_document=f"{self.course.flow.model},0", detail=detail)
            return ask(self.rest, self._queries(lines), partial(self._known, lines), {})
        except Rejected as error:
            return Verdict(Kind.REJECTED, reason=error.reason, detail=error.detail)

    def _lines(self) -> Sequence[Line]:
        places = self.options.of_plant(self.step.plant)
        if self.step.kind != requisition.KIND:
            return tryton_moves.lines(self.step, places)
        if self.options.employee is None:
            raise Rejected("employee", "requisitions need the option employee")
        wanted, attributes = self.step.quantities[QUANTITY], self.step.attributes
        return [Line(attributes["material"], wanted, attributes["unit"], places.warehouse, places.warehouse)]

    def _queries(self, lines: Sequence[Line]) -> list[Query]:
        places = self.options.of_plant(self.step.plant)
        needed = [places.warehouse, places.production, places.storage] if self.course.flow is PRODUCTION else []
        queries = queries_for(lines, needed, self.options.company, self.options.units)
        if supplier := self.step.attributes.get("supplier"):
            queries.append(Query("parties", "party.party", [["code", "=", text_value(supplier, "supplier")]], ["code"]))
        return queries

    def _known(self, lines: Sequence[Line], answers: Answers) -> Verdict:
        """With all ids known but those of lots that Tryton does not have yet."""
        ids = Ids(answers, self.options.units)
        for line in lines:
            product = ids.product(line.material)
            if line.lot and ids.lot(line.lot, product) is None:
                lot = {"number": line.lot, "product": product["id"]}
                request = self.rest.create("stock.lot", lot, "number")
                return Verdict(Kind.CONTINUE, next=Next(request, partial(self._with_lot, lines, answers, lot)))
        request = self.rest.create(self.course.flow.model, self._values(lines, ids))
        return Verdict(Kind.CONTINUE, next=Next(request, self._created))

    def _with_lot(self, lines: Sequence[Line], answers: Answers, lot: Record, answer: Answer) -> Verdict:
        refused = refusal(answer)
        if refused:
            return refused
        [made] = records(answer)
        return ask(self.rest, [], partial(self._known, lines), {**answers, "lots": [*answers["lots"], {**lot, **made}]})

    def _values(self, lines: Sequence[Line], ids: Ids) -> Record:
        places = self.options.of_plant(self.step.plant)
        if self.step.kind == requisition.KIND:
            return tryton_values.requisition(self.step, lines[0], ids, places, self.options.employee or 0)
        if self.course.flow is PRODUCTION:
            return tryton_values.production(self.step, lines, ids, places, backflush=self._backflush())
        return tryton_values.shipment(self.step, lines, ids)

    def _backflush(self) -> bool:
        """Movements say themselves what goes in."""
        return self.options.consumption == "bom" and "movement" not in self.step.attributes

    def _created(self, answer: Answer) -> Verdict:
        refused = refusal(answer)
        if refused:
            return refused
        [record] = records(answer)
        return self.course.forward(record)
