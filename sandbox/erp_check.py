"""What the sandbox ERP demands of a confirmation: known fields, lengths, literals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.erp_store import Refused

_LENGTHS = {
    "OrderID": 12, "Sequence": 6, "OrderOperation": 4, "ConfirmationText": 40, "Plant": 4, "WorkCenter": 8,
    "EnteredByExternalUser": 12, "VarianceReasonCode": 4, "ConfirmationUnit": 3, "ConfirmationUnitISOCode": 3,
    "FinalConfirmationType": 1, **{f"OpWorkQuantityUnit{n}": 3 for n in range(1, 7)},
}  # fmt: skip
_GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DECIMAL = r"\d{1,10}\.\d{3}"
_DATE = r"/Date\(\d+\)/"
_TIME = r"PT\d{2}H\d{2}M\d{2}S"
_PATTERNS = {
    "ExternalSystemConfirmation": _GUID,
    "PostingDate": _DATE,
    "ConfirmedExecutionStartDate": _DATE,
    "ConfirmedExecutionStartTime": _TIME,
    "ConfirmedExecutionEndDate": _DATE,
    "ConfirmedExecutionEndTime": _TIME,
    "ConfirmationYieldQuantity": _DECIMAL,
    "ConfirmationScrapQuantity": _DECIMAL,
    "ConfirmationReworkQuantity": _DECIMAL,
    **{f"OpConfirmedWorkQuantity{n}": _DECIMAL for n in range(1, 7)},
}
_PATTERN = {field: re.compile(pattern) for field, pattern in _PATTERNS.items()}
_FLAGS = frozenset({"IsFinalConfirmation", "OpenReservationsIsCleared", "APIConfHasNoGoodsMovements"})


def check(body: Mapping[str, Any]) -> None:
    """Raise Refused for a body that the service would not take."""
    for field, value in body.items():
        if not _fits(field, value):
            raise Refused("SANDBOX/BAD_VALUE", f"Property '{field}' has invalid value {value!r}")
    for field in ("OrderID", "OrderOperation"):
        if not body.get(field):
            raise Refused("SANDBOX/MISSING", f"Property '{field}' is missing")


def _fits(field: str, value: object) -> bool:
    if field in _FLAGS:
        return isinstance(value, bool)
    if field in _LENGTHS:
        return isinstance(value, str) and len(value) <= _LENGTHS[field]
    if field not in _PATTERN:
        raise Refused("/IWCOR/CX_DS_EP_PROPERTY_ERROR", f"Property '{field}' is invalid")
    return isinstance(value, str) and _PATTERN[field].fullmatch(value) is not None
