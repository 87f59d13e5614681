"""What a document says that a person has to approve: the requirement `{"approval": true, "why": ...}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Attribute that names who approved.
APPROVED_BY = "approved_by"


def asks(why: str) -> dict[str, Any]:
    """The requirement that a person approves."""
    return {"approval": True, "why": why}


def missing(attributes: Mapping[str, Any], required: Mapping[str, Any]) -> bool:
    """Whether a requirement is an approval that nobody gave."""
    return bool(required.get("approval")) and not attributes.get(APPROVED_BY)
