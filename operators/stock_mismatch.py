"""Reported against projected stock: what a balance should have shown, by the balance before it and what moved since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from operators.stock import REPORTED, STOCK_KEY, by_status, changes, fitting

_KEY = list(STOCK_KEY)
#: Reservations change for reasons that no movement tells, so only stock itself is compared.
COMPARED = tuple(status for status in REPORTED if status != "allocated")
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far the two may lie apart without an alert: the larger of both bounds.

    Args:
        quantity: In the material's base unit.
        percent: Of the reported stock.
    """

    quantity: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)


def stock_mismatches(
    known: pl.DataFrame, movements: pl.DataFrame, tolerance: Tolerance, settled: datetime
) -> list[dict[str, Any]]:
    """Alerts for each balance that differs from what the one before it and the movements between lead to.

    Args:
        known: Rows of BALANCE, those of the horizon.
        movements: Rows of MOVEMENT.
        tolerance: What may differ.
        settled: Only balances up to this instant are judged: movements before it are expected to have arrived.
    """
    pairs = known.sort([*_KEY, "as_of"]).with_columns(
        pl.col("as_of").shift().over(_KEY).alias("since"),
        *(pl.col(status).shift().over(_KEY).alias(f"{status}_before") for status in COMPARED),
    )
    pairs = pairs.filter(pl.col("since").is_not_null() & (pl.col("as_of") <= settled)).rename({"as_of": "until"})
    between = changes(movements, pairs.select(*_KEY, "since", "until"))
    rows = pairs.join(by_status(between), on=[*_KEY, "since", "until"], how="left")
    return [_alert(row, between) for status in COMPARED for row in _apart(rows, status, tolerance)]


def _apart(rows: pl.DataFrame, status: str, tolerance: Tolerance) -> list[dict[str, Any]]:
    expected = fitting(pl.col(f"{status}_before") + pl.col(f"{status}_change").fill_null(0))
    judged = rows.select(*_KEY, "since", "until", "unit", expected.alias("projected"), pl.col(status).alias("reported"))
    differ = judged.filter(pl.col("projected") != pl.col("reported"))
    return [{**row, "status": status} for row in differ.to_dicts() if _beyond(row, tolerance)]


def _beyond(row: dict[str, Any], tolerance: Tolerance) -> bool:
    allowed = max(tolerance.quantity, abs(row["reported"]) * tolerance.percent / 100)
    return bool(abs(row["projected"] - row["reported"]) > allowed)


def _alert(row: dict[str, Any], between: pl.DataFrame) -> dict[str, Any]:
    where = pl.all_horizontal(pl.col(name) == row[name] for name in (*_KEY, "since", "until", "status"))
    moved = between.filter(where).sort("movement_id")
    names = [f"{each['movement_id']} {_signed(each['quantity'])}" for each in moved.head(_NAMED).to_dicts()]
    more = [f"{moved.height - _NAMED} more"] if moved.height > _NAMED else []
    listed = ", ".join([*names, *more]) or "none"
    since, until = row["since"].isoformat(), row["until"].isoformat()
    subject = f"{row['material']}|{row['storage_location']}"
    return {
        "event_id": f"stock_mismatch/{row['plant']}/{subject}/{row['status']}/{until}",
        "kind": "stock_mismatch",
        "severity": "WARNING",
        "plant": row["plant"],
        "subject": subject,
        "message": f"{row['status']} at {until}: {_plain(row['projected'])} {row['unit']} projected, "
        f"{_plain(row['reported'])} reported; movements since {since}: {listed}",
    }


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"


def _signed(quantity: Decimal) -> str:
    return f"{quantity.normalize():+f}"
