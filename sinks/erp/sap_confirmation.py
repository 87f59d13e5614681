"""SAP S/4HANA production order confirmation (OData V2, API_PROD_ORDER_CONFIRMATION_2_SRV, set ProdnOrdConf2).

Effect: one confirmation per step; looked up by `ExternalSystemConfirmation`, on which SAP enforces no
uniqueness. Confirms at operation level; SAP does not allow order level beside it on the same order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field

from millrace.ledger.confirmation import KIND, SCRAP, TIMES
from millrace.ledger.model import Step
from sinks.erp import odata
from sinks.erp.connector import Answer, Kind, Options, Request, Verdict

_ENTITY = "ProdnOrdConf2"
_SCALE = 3
#: Characters that a field holds.
_LENGTHS = {
    "OrderID": 12,
    "OrderOperation": 4,
    "Sequence": 6,
    "Plant": 4,
    "WorkCenter": 8,
    "ConfirmationText": 40,
    "EnteredByExternalUser": 12,
    "ConfirmationUnit": 3,
    "ConfirmationUnitISOCode": 3,
    "VarianceReasonCode": 4,
}
#: UN/ECE Rec 20 code to SAP's internal unit where the two differ.
_UNITS = {
    "C62": "PC", "H87": "ST", "KGM": "KG", "GRM": "G", "TNE": "TO", "MTR": "M", "CMT": "CM", "MMT": "MM",
    "MTK": "M2", "MTQ": "M3", "LTR": "L", "MLT": "ML", "HUR": "H", "MIN": "MIN", "SEC": "S", "PR": "PAA",
}  # fmt: skip
_SECONDS = {"S": 1, "MIN": 60, "H": 3600}


class SapConfirmationOptions(Options):
    """Options of the connector.

    Args:
        units: Rec 20 code to SAP unit, on top of the built-in table; codes in neither go as ISO code.
        time_unit: SAP unit of the activities.
        activities: Which of the six activities of the work centre's formula a time goes to.
        zones: Plant to zone of its local times; plants not named use UTC.
        sequence: Sequence of the operation in the order.
        user: External user to show in the confirmation.
        no_goods_movements: Suppress backflush and receipt, where another document books them.
        clear_reservations: A final confirmation clears open reservations.
        retry_codes: Message ids that pass by themselves.
        configuration_codes: Message ids that every document would meet.
    """

    units: dict[str, str] = Field(default_factory=dict)
    time_unit: Literal["S", "MIN", "H"] = "MIN"
    activities: dict[str, Annotated[int, Field(ge=1, le=6)]] = Field(
        default_factory=lambda: {"setup_time": 1, "machine_time": 2, "labour_time": 3}
    )
    zones: dict[str, str] = Field(default_factory=dict)
    sequence: str = "0"
    user: str = "MILLRACE"
    no_goods_movements: bool = False
    clear_reservations: bool = False
    retry_codes: frozenset[str] = frozenset({"CO/469", "MC/601", "M3/897", "M3/682"})
    configuration_codes: frozenset[str] = frozenset(
        {"/IWCOR/CX_DS_EP_PROPERTY_ERROR", "/IWCOR/CX_OD_EP_PROPERTY_ERROR"}
    )


class SapConfirmation:
    """Connector; see the module."""

    kinds: ClassVar[frozenset[str]] = frozenset({KIND})

    def __init__(self, options: SapConfirmationOptions) -> None:
        self._options = options

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From settings."""
        return cls(SapConfirmationOptions.model_validate(options))

    def quantum(self, measure: str, attributes: Mapping[str, Any]) -> Decimal:  # noqa: ARG002
        """A thousandth of the unit, which for times is the activity's."""
        thousandth = Decimal(1).scaleb(-_SCALE)
        return thousandth * _SECONDS[self._options.time_unit] if measure in TIMES else thousandth

    def split(self, amounts: Mapping[str, Decimal]) -> Sequence[Mapping[str, Decimal]]:
        """A confirmation has one variance reason, so each further scrap reason makes one of its own."""
        reasons = sorted(name for name in amounts if name.startswith(SCRAP))
        first = {name: amount for name, amount in amounts.items() if name not in reasons[1:]}
        return [first, *({name: amounts[name]} for name in reasons[1:])]

    def session(self) -> Request:
        """Fetch a CSRF token; its cookies stay in the client."""
        return odata.csrf_request()

    def session_headers(self, answer: Answer) -> Mapping[str, str] | None:
        """The token."""
        return odata.csrf_headers(answer)

    def build(self, step: Step) -> Request:
        """POST the confirmation."""
        body = {**self._head(step), **self._dates(step), **self._quantities(step), **self._activities(step)}
        odata.check_lengths(body, _LENGTHS)
        return Request("POST", _ENTITY, odata.JSON_HEADERS, json.dumps(body).encode())

    def _head(self, step: Step) -> dict[str, Any]:
        body: dict[str, Any] = {
            "ExternalSystemConfirmation": step.external_reference,
            "OrderID": step.order_id,
            "OrderOperation": step.operation,
            "Sequence": self._options.sequence,
            "Plant": step.plant,
            "WorkCenter": str(step.attributes.get("work_center") or ""),
            "ConfirmationText": str(step.attributes.get("shift") or ""),
            "EnteredByExternalUser": self._options.user,
            "IsFinalConfirmation": step.final,
            "FinalConfirmationType": "X" if step.final else "",
            "OpenReservationsIsCleared": step.final and self._options.clear_reservations,
        }
        if self._options.no_goods_movements:
            body["APIConfHasNoGoodsMovements"] = True
        return body

    def _dates(self, step: Step) -> dict[str, Any]:
        body = {}
        if posting_date := step.attributes.get("posting_date"):
            body["PostingDate"] = odata.date_value(date.fromisoformat(posting_date))
        zone = ZoneInfo(self._options.zones.get(step.plant, "UTC"))
        for attribute, edge in (("first_event_time", "Start"), ("last_event_time", "End")):
            if instant := step.attributes.get(attribute):
                local = datetime.fromisoformat(instant).astimezone(zone)
                body[f"ConfirmedExecution{edge}Date"] = odata.date_value(local.date())
                body[f"ConfirmedExecution{edge}Time"] = odata.time_value(local)
        return body

    def _quantities(self, step: Step) -> dict[str, Any]:
        scrap = next((name for name in step.quantities if name.startswith(SCRAP)), SCRAP)
        measures = {"Yield": "yield", "Scrap": scrap, "Rework": "rework"}
        body = {}
        for field, measure in measures.items():
            name = f"Confirmation{field}Quantity"
            body[name] = odata.decimal_value(step.quantities.get(measure, Decimal(0)), 13, _SCALE, name)
        if reason := scrap.removeprefix(SCRAP):
            body["VarianceReasonCode"] = reason
        code = str(step.attributes.get("unit") or "")
        unit = {**_UNITS, **self._options.units}.get(code)
        if unit or code:
            body["ConfirmationUnit" if unit else "ConfirmationUnitISOCode"] = unit or code
        return body

    def _activities(self, step: Step) -> dict[str, Any]:
        body = {}
        for measure, number in self._options.activities.items():
            if seconds := step.quantities.get(measure):
                name = f"OpConfirmedWorkQuantity{number}"
                amount = seconds / _SECONDS[self._options.time_unit]
                body[name] = odata.decimal_value(amount, 13, _SCALE, name)
                body[f"OpWorkQuantityUnit{number}"] = self._options.time_unit
        return body

    def reverse(self, step: Step) -> Request:
        """Cancel a confirmation; the reversal carries its own external reference."""
        group, _, count = (step.reverses_document or "").partition("/")
        key = (
            f"ConfirmationGroup={odata.string_literal(group, 'ConfirmationGroup')}"
            f"&ConfirmationCount={odata.string_literal(count, 'ConfirmationCount')}"
            f"&ExternalSystemConfirmation={odata.guid_literal(step.external_reference)}"
        )
        if posting_date := step.attributes.get("posting_date"):
            key += f"&PostingDate={odata.date_literal(date.fromisoformat(posting_date))}"
        return Request("POST", f"CancelProdnOrdConf?{key}", odata.JSON_HEADERS)

    def classify(self, step: Step, answer: Answer) -> Verdict:
        """Booked only where the answer names the confirmation and carries the step's own reference."""
        if answer.status >= 400:
            return odata.refusal(answer, self._options.retry_codes, self._options.configuration_codes)
        return _booked(step, odata.parse(answer))

    def lookup(self, step: Step) -> Request:
        """Ask for the external reference."""
        wanted = f"ExternalSystemConfirmation%20eq%20{odata.guid_literal(step.external_reference)}"
        fields = "ConfirmationGroup,ConfirmationCount,ExternalSystemConfirmation"
        path = f"{_ENTITY}?$filter={wanted}&$select={fields}&$format=json"
        return Request("GET", path, {"Accept": "application/json"})

    def read_lookup(self, step: Step, answer: Answer) -> Verdict:
        """An empty result is the only proof of absence."""
        found = odata.parse(answer)
        results = found.get("results") if isinstance(found, dict) else None
        if not isinstance(results, list):
            return Verdict(Kind.UNKNOWN, reason="unreadable", detail="look-up without a result list")
        return _booked(step, results[0]) if results else Verdict(Kind.ABSENT)


def _booked(step: Step, entity: Any) -> Verdict:
    if isinstance(entity, dict) and "CancelProdnOrdConf" in entity:
        entity = entity["CancelProdnOrdConf"]
    try:
        document = f"{entity['ConfirmationGroup']}/{entity['ConfirmationCount']}"
        reference = str(entity["ExternalSystemConfirmation"]).lower()
    except (KeyError, TypeError):
        return Verdict(Kind.UNKNOWN, reason="unreadable", detail="answer names no confirmation")
    if reference != step.external_reference:
        detail = f"answer is about {reference}, not {step.external_reference}"
        return Verdict(Kind.UNKNOWN, reason="unreadable", detail=detail)
    return Verdict(Kind.BOOKED, erp_document=document)
