"""The document of a crossing: what is asked for, and every number that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import polars as pl

from operators.replenishment_policy import Policy
from operators.stock import MOST
from schemas.contracts import contract
from schemas.types import polars_schema

_EXACT = Context(prec=50)
_SIX = Decimal("0.000001")
#: A request says once what it asks for: more or less would be another crossing.
_REVISION = 1
CONTRACT = "ReplenishmentRequest"

#: Price of one base unit and its currency.
Price = tuple[Decimal, str]


def request(found: Mapping[str, Any], policy: Policy, instant: datetime, price: Price | None) -> dict[str, Any]:
    """Fields of ReplenishmentRequest without those that the flow's sinks add.

    Args:
        found: What `operators.safety_stock.judge` made of the crossing, with `days_of_cover` and `stock_out_at`.
        policy: How the place is ordered.
        instant: When it crossed.
        price: Price of one base unit; None where it is not known.
    """
    rule, demand, cover = policy.rule, policy.demand, policy.cover
    value = None if price is None else _value(found["quantity"], price[0])
    return {
        **found,
        "event_time": instant,
        "tier": 2,
        "revision": _REVISION,
        "reference_version": 0,
        "withdrawn": False,
        "correlation_id": found["document_key"],
        "delivery_date": instant.date() + timedelta(days=rule.lead_days),
        "supplier": rule.supplier,
        "purchasing_group": rule.purchasing_group,
        "value": value,
        "currency": "" if price is None else price[1],
        "approval_required": needs_approval(rule.approval_above, value),
        "approved_by": None,
        "crossed_at": instant,
        "as_of": instant,
        "safety_stock": policy.safety_stock,
        "demand_mean": demand.mean if demand is not None and cover is not None else None,
        "demand_deviation": demand.deviation if demand is not None and cover is not None else None,
        "demand_days": demand.days if demand is not None and cover is not None else None,
        "lead_time_mean": cover.lead_time_mean if cover is not None else None,
        "lead_time_deviation": cover.lead_time_deviation if cover is not None else None,
        "service_factor": cover.service_factor if cover is not None else None,
    }


def _value(quantity: Decimal, price: Decimal) -> Decimal | None:
    """None where it is too large to be told: then a person looks at it."""
    value = _EXACT.multiply(quantity, price).quantize(_SIX, context=_EXACT)
    return value if value <= MOST else None


def needs_approval(above: Decimal | None, value: Decimal | None) -> bool:
    """Whether a person has to agree: what is not known may be any value."""
    return above is not None and (value is None or value > above)


def frame(requests: list[dict[str, Any]]) -> pl.DataFrame:
    """Requests with the columns of their contract, but for the envelope that sinks add."""
    schema = {
        name: kind
        for name, kind in polars_schema(contract(CONTRACT)).items()
        if name not in ("event_id", "source", "sequence")
    }
    return pl.DataFrame([{name: each[name] for name in schema} for each in requests], schema=schema)


def own_record(fields: Mapping[str, Any]) -> pl.DataFrame:
    """The request as a row of its contract, for the papers of the flow that made it."""
    more = {"event_id": fields["document_key"], "source": "", "sequence": None}
    return pl.DataFrame([{**fields, **more}], schema=polars_schema(contract(CONTRACT)))


__all__ = ["CONTRACT", "Price", "frame", "needs_approval", "own_record", "request"]
