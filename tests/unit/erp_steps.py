"""Steps for tests of connectors."""

from __future__ import annotations

from typing import Any

from millrace.ledger import DesiredDocument
from millrace.ledger.model import Action, Step

REFERENCE = "0f0e0d0c-0b0a-5908-8706-050403020100"


def step_of(wanted: DesiredDocument, **more: Any) -> Step:
    """The step that books a document as a whole."""
    return Step(
        **{
            "external_reference": REFERENCE,
            "document_key": wanted.key,
            "step": 1,
            "action": Action.BOOK,
            "system": "sap",
            "kind": wanted.kind,
            "plant": wanted.plant,
            "order_id": wanted.order_id,
            "operation": wanted.operation,
            "quantities": wanted.quantities,
            "attributes": wanted.attributes,
            "final": wanted.final,
            "revision": 1,
            "reference_version": 1,
            **more,
        }
    )
