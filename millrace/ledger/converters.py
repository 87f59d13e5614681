"""Converters from records to desired documents by contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from millrace.ledger import confirmation, goods_movement, quality, requisition
from millrace.ledger.model import DesiredDocument

CONVERTERS: dict[str, Callable[[Mapping[str, Any]], DesiredDocument]] = {
    confirmation.KIND: confirmation.desired_document,
    goods_movement.KIND: goods_movement.desired_document,
    requisition.KIND: requisition.desired_document,
    quality.KIND: quality.desired_document,
}
