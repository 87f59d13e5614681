"""Documents of totals that were given up, made with the reference data of now.

A flow does this by itself while it keeps the total. For a total that has left its state the dead letter holds all that
is needed: the document comes out under the same key and revision as the flow would have given it, so that the ledger
takes it once, whoever puts it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from millrace.errors import Rejected
from millrace.ledger.confirmation import desired_document
from millrace.ledger.letters import Letter
from millrace.ledger.model import DesiredDocument
from operators.confirmations import CONFIRMATION, choose, confirmations, convert_units
from operators.references import Conversions, order_operations
from operators.totals import OPERATION_KEY, TOTAL
from operators.waiting import NO_ACTIVE_JOB, ORDER_UNKNOWN, UNIT_UNKNOWN
from sinks.ledger import document_records

_ROWS: dict[str, pl.DataType] = {**TOTAL, "adjustment": pl.String()}


@dataclass(frozen=True, slots=True)
class ReferenceData:
    """Orders and materials.

    Args:
        orders: Rows of ORDER, the newest version of each order.
        conversions: Units of materials.
    """

    orders: pl.DataFrame
    conversions: Conversions

    @classmethod
    def of(cls, orders: pl.DataFrame, materials: Iterable[Mapping[str, Any]]) -> ReferenceData:
        """From rows of WorkOrder and records of Material."""
        conversions = Conversions()
        for record in materials:
            conversions.put(dict(record))
        operations = order_operations(orders)
        newest = operations.filter(pl.col("version") == pl.col("version").max().over("plant", "order_id"))
        return cls(newest.unique([*OPERATION_KEY], keep="last"), conversions)


class TotalDocuments:
    """Makes the documents; knows neither Kafka nor ledger.

    Args:
        flow: Name that the documents carry as their source.
        references: Orders and materials.
    """

    def __init__(self, flow: str, references: ReferenceData) -> None:
        self._flow, self._references = flow, references

    def documents(self, letter: Letter) -> Sequence[DesiredDocument]:
        """The desired document of a letter's total.

        Raises:
            Rejected: What it waited for is still missing.
        """
        total = json.loads(letter.payload, parse_float=Decimal)
        if "rows" not in total or isinstance(total["rows"], str):
            raise Rejected("no_way_back", "it is no total of a confirmation: it counts when what it lacks comes")
        order = f"order {total['order_id']} operation {total['operation']} of plant {total['plant']}"
        if not total["order_id"]:
            raise Rejected(NO_ACTIVE_JOB, "it names no order: report the pieces, then discard it")
        rows = total_rows(total)
        joined = rows.join(self._references.orders, on=list(OPERATION_KEY), how="inner")
        if not joined.height:
            raise Rejected(ORDER_UNKNOWN, f"{order} is still not known")
        good, stuck = convert_units(joined, self._references.conversions)
        if stuck.height:
            raise Rejected(UNIT_UNKNOWN, f"unit {total['unit']} still can't be converted to the unit of {order}")
        made = confirmations(choose(good)).select(list(CONFIRMATION))
        return [desired_document(record) for record in document_records(made, self._flow, whole=True)]


def total_rows(total: Mapping[str, Any]) -> pl.DataFrame:
    """Rows of TOTAL with `adjustment` from a letter's payload; the first row carries the revision."""
    shared = {name: value for name, value in total.items() if name in _ROWS and name != "events"}
    rows = [{**shared, **part, "revises": 0} for part in total["rows"]]
    rows[0]["revises"] = total["revises"]
    texts = pl.DataFrame(
        [{name: _text(row.get(name)) for name in _ROWS} for row in rows], schema=dict.fromkeys(_ROWS, pl.String)
    )
    return texts.select(_typed(name, kind) for name, kind in _ROWS.items())


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _typed(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        return column.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
    if isinstance(kind, pl.Date):
        return column.str.to_date()
    if isinstance(kind, pl.Boolean):
        return (column == "true").fill_null(value=False)
    return column.cast(kind)


__all__ = ["ReferenceData", "TotalDocuments", "total_rows"]
