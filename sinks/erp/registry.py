"""Connectors by name. A new ERP adds its file and one line here; the conformance suite walks this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from millrace.errors import Misconfigured
from sinks.erp.connector import Connector
from sinks.erp.sap_confirmation import SapConfirmation
from sinks.erp.sap_goods_movement import SapGoodsMovement
from sinks.erp.sap_requisition import SapRequisition
from sinks.erp.tryton import Tryton

#: Name to constructor; the constructor validates the connector's own options.
CONNECTORS: dict[str, Callable[[Mapping[str, Any]], Connector]] = {
    "sap_confirmation": SapConfirmation.from_options,
    "sap_goods_movement": SapGoodsMovement.from_options,
    "sap_requisition": SapRequisition.from_options,
    "tryton": Tryton.from_options,
}


def create(name: str, options: Mapping[str, Any]) -> Connector:
    """A connector with its options.

    Raises:
        Misconfigured: No such connector, or options that it does not know.
    """
    if name not in CONNECTORS:
        raise Misconfigured(f"unknown connector {name!r}; known: {', '.join(sorted(CONNECTORS))}")
    try:
        return CONNECTORS[name](options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Misconfigured(f"options of connector {name!r}: {problems}") from error
