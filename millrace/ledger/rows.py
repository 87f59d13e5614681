"""Rows of the ledger as the values that planning and posting work with."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Row

from millrace.ledger.model import Action, Status, Step
from millrace.ledger.text import dump_json, dump_quantities, load_json, load_quantities

#: Namespace of all external references. Changing it would make every posting unfindable in the ERPs.
NAMESPACE = UUID("5b0f3a52-6c1e-5d0b-9a57-3f2b8c1d7e40")


def external_reference(document_key: str, step: int) -> str:
    """Identity of a posting in the ERP; the newline keeps ("a1", 1) apart from ("a", 11)."""
    return str(uuid5(NAMESPACE, f"{document_key}\n{step}"))


def step_of(row: Row[Any]) -> Step:
    """A step from a row of `postings`."""
    return Step(
        external_reference=row.external_reference,
        document_key=row.document_key,
        step=row.step,
        action=Action(row.action),
        system=row.system,
        kind=row.kind,
        plant=row.plant,
        order_id=row.order_id,
        operation=row.operation,
        quantities=load_quantities(row.quantities),
        attributes=load_json(row.attributes),
        final=row.final,
        revision=row.revision,
        reference_version=row.reference_version,
        correlation_id=row.correlation_id,
        reverses=row.reverses,
        reverses_document=row.reverses_document,
        status=Status(row.status),
        attempts=row.attempts,
        failures=row.failures,
        sent_at=row.sent_at,
        fence=row.fence,
    )


def posting_row(step: Step, now: int) -> dict[str, Any]:
    """A row of `postings` for a step that is about to be sent for the first time."""
    return {
        "external_reference": step.external_reference,
        "document_key": step.document_key,
        "step": step.step,
        "action": step.action.value,
        "reverses": step.reverses,
        "reverses_document": step.reverses_document,
        "system": step.system,
        "kind": step.kind,
        "plant": step.plant,
        "order_id": step.order_id,
        "operation": step.operation,
        "quantities": dump_quantities(step.quantities),
        "attributes": dump_json(dict(step.attributes)),
        "final": step.final,
        "revision": step.revision,
        "reference_version": step.reference_version,
        "status": Status.IN_FLIGHT.value,
        "attempts": 1,
        "failures": 0,
        "fence": step.fence,
        "sent_at": now,
        "correlation_id": step.correlation_id,
        "created_at": now,
        "updated_at": now,
    }


def audit_row(step: Step, to: Status, now: int, who: str, why: str | None) -> dict[str, Any]:
    """A row of `audit`: a posting changes its status."""
    return {
        "external_reference": step.external_reference,
        "document_key": step.document_key,
        "at": now,
        "who": who,
        "from_status": step.status.value,
        "to_status": to.value,
        "why": why,
    }
