"""SAP S/4HANA production order confirmation (OData V2, API_PROD_ORDER_CONFIRMATION_2_SRV, set ProdnOrdConf2).

Effect: one confirmation per step, with its goods movements where they are listed; looked up by
`ExternalSystemConfirmation`, on which SAP enforces no uniqueness. Confirms at operation level; SAP does not allow order
level beside it on the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field

from millrace.ledger.confirmation import KIND, SCRAP, TIMES
from millrace.ledger.model import Step
from sinks.erp import odata, sap_confirmation_fields
from sinks.erp.connector import Kind, Request, Verdict
from sinks.erp.odata_service import ODataService, about_another, posting_date
from sinks.erp.sap_confirmation_movements import listed, refuse_components
from sinks.erp.sap_units import QuantityOptions

_SET, _CANCEL = "ProdnOrdConf2", "CancelProdnOrdConf"
_SECONDS = {"S": 1, "MIN": 60, "H": 3600}


class SapConfirmationOptions(QuantityOptions):
    """Options of the connector.

    Args:
        units: Rec 20 code to SAP unit, on top of the built-in table; codes in neither go as ISO code.
        time_unit: SAP unit of the activities.
        activities: Which of the six activities of the work centre's formula a time goes to.
        zones: Plant to zone of its local times; plants not named use UTC.
        sequence: Sequence of the operation in the order.
        user: External user to show in the confirmation.
        no_goods_movements: Suppress backflush and receipt, where another document books them.
        goods_movements: `order` leaves them to the order's settings, `listed` sends those that the document lists:
            its components, and the receipt of its yield where there is a `receipt_storage_location`.
        receipt_storage_location: Where listed receipts go.
        clear_reservations: A final confirmation clears open reservations.
    """

    time_unit: Literal["S", "MIN", "H"] = "MIN"
    activities: dict[str, Annotated[int, Field(ge=1, le=6)]] = Field(
        default_factory=lambda: {"setup_time": 1, "machine_time": 2, "labour_time": 3}
    )
    zones: dict[str, str] = Field(default_factory=dict)
    sequence: str = "0"
    user: str = "MILLRACE"
    no_goods_movements: bool = False
    goods_movements: Literal["order", "listed"] = "order"
    receipt_storage_location: str | None = None
    clear_reservations: bool = False


class SapConfirmation(ODataService):
    """Connector; see the module."""

    kinds: ClassVar[frozenset[str]] = frozenset({KIND})

    def __init__(self, options: SapConfirmationOptions) -> None:
        self._options = options
        fields = sap_confirmation_fields.entities(
            options.activities.values(),
            suppresses=options.no_goods_movements,
            lists=options.goods_movements == "listed",
        )
        super().__init__(options, *fields)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From settings."""
        return cls(SapConfirmationOptions.model_validate(options))

    def quantum(self, measure: str, attributes: Mapping[str, Any]) -> Decimal:
        """A thousandth of the unit, which for times is the activity's."""
        thousandth = super().quantum(measure, attributes)
        return thousandth * _SECONDS[self._options.time_unit] if measure in TIMES else thousandth

    def split(self, amounts: Mapping[str, Decimal]) -> Sequence[Mapping[str, Decimal]]:
        """A confirmation has one variance reason, so each further scrap reason makes one of its own."""
        reasons = sorted(name for name in amounts if name.startswith(SCRAP))
        first = {name: amount for name, amount in amounts.items() if name not in reasons[1:]}
        return [first, *({name: amounts[name]} for name in reasons[1:])]

    def build(self, step: Step) -> Request:
        """POST the confirmation."""
        parts = (self._head, self._dates, self._quantities, self._activities, self._movements)
        values = {name: value for part in parts for name, value in part(step).items()}
        return self.create(step, _SET, values)

    def _head(self, step: Step) -> dict[str, Any]:
        return {
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
            "APIConfHasNoGoodsMovements": True if self._options.no_goods_movements else None,
        }

    def _dates(self, step: Step) -> dict[str, Any]:
        values: dict[str, Any] = {"PostingDate": posting_date(step)}
        zone = ZoneInfo(self._options.zones.get(step.plant, "UTC"))
        for attribute, edge in (("first_event_time", "Start"), ("last_event_time", "End")):
            if instant := step.attributes.get(attribute):
                local = datetime.fromisoformat(instant).astimezone(zone)
                values[f"ConfirmedExecution{edge}Date"] = local.date()
                values[f"ConfirmedExecution{edge}Time"] = local
        return values

    def _quantities(self, step: Step) -> dict[str, Any]:
        scrap = next((name for name in step.quantities if name.startswith(SCRAP)), SCRAP)
        measures = {"Yield": "yield", "Scrap": scrap, "Rework": "rework"}
        values: dict[str, Any] = {
            f"Confirmation{field}Quantity": step.quantities.get(measure, Decimal(0))
            for field, measure in measures.items()
        }
        code, unit = str(step.attributes.get("unit") or ""), self._options.unit(step.attributes)
        values["VarianceReasonCode"] = scrap.removeprefix(SCRAP) or None
        values["ConfirmationUnit"] = unit
        values["ConfirmationUnitISOCode"] = code if code and not unit else None
        return values

    def _activities(self, step: Step) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for measure, number in self._options.activities.items():
            if seconds := step.quantities.get(measure):
                values[f"OpConfirmedWorkQuantity{number}"] = seconds / _SECONDS[self._options.time_unit]
                values[f"OpWorkQuantityUnit{number}"] = self._options.time_unit
        return values

    def _movements(self, step: Step) -> dict[str, Any]:
        options = self._options
        if options.goods_movements == "listed":
            return {"to_ProdnOrdConfMatlDocItm": listed(step, options, options.receipt_storage_location)}
        refuse_components(step)
        return {}

    def reverse(self, step: Step) -> Request:
        """Cancel a confirmation and its goods movements; the reversal carries its own external reference."""
        group, _, count = (step.reverses_document or "").partition("/")
        values = {"ConfirmationGroup": group, "ConfirmationCount": count}
        own = {"ExternalSystemConfirmation": step.external_reference, "PostingDate": posting_date(step)}
        return self.call(step, _CANCEL, {**values, **own})

    def booked(self, step: Step, entity: Mapping[str, Any]) -> Verdict:
        """Booked where the entity carries the step's own reference."""
        document = f"{entity['ConfirmationGroup']}/{entity['ConfirmationCount']}"
        reference = str(entity["ExternalSystemConfirmation"]).lower()
        if reference != step.external_reference:
            return about_another(reference, step.external_reference)
        return Verdict(Kind.BOOKED, erp_document=document)

    def question(self, step: Step) -> tuple[str, Mapping[str, str], tuple[str, ...]]:
        """By external reference, for confirmations and reversals alike."""
        wanted = {"ExternalSystemConfirmation": odata.guid_literal(step.external_reference)}
        return _SET, wanted, ("ConfirmationGroup", "ConfirmationCount", "ExternalSystemConfirmation")
