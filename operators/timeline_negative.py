"""No negative total leaves a timeline.

What a signed correction takes back is netted within its document key, part and unit, over scrap reasons
and origins. What is left below zero is clamped to zero and reported as `negative_total` with the sum that
would have left. So a plant that corrects its counters downwards chooses windows long enough (a shift, the
operation) to hold a correction together with what it corrects.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from operators.counters import QUARANTINED
from operators.timeline_rows import PART, PART_KEY

_REGISTERS = ("quantity_yield", "quantity_scrap", "quantity_rework")


def settle(parts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Parts (columns of PART) without negative quantities, and a report of what was clamped (QUARANTINED)."""
    negative = pl.any_horizontal(pl.col(name) < 0 for name in _REGISTERS)
    if not parts.select(negative.any()).item():
        return parts, pl.DataFrame(schema=QUARANTINED)
    group = [*PART_KEY, "unit"]
    concerned = parts.filter(negative).select(group).unique()
    mine = parts.join(concerned, on=group, how="semi", nulls_equal=True)
    settled: list[dict[str, Any]] = []
    report: list[dict[str, Any]] = []
    for rows in mine.sort([*PART_KEY, "unit", "scrap_reason", "origin"]).partition_by(group):
        found = rows.to_dicts()
        for register in _REGISTERS:
            left = _net(found, register)
            if left < 0:
                report.append(_report(found, register, left))
        settled += found
    rest = parts.join(concerned, on=group, how="anti", nulls_equal=True)
    return pl.concat([rest, pl.DataFrame(settled, schema=PART)]), pl.DataFrame(report, schema=QUARANTINED)


def _net(rows: list[dict[str, Any]], register: str) -> Any:
    """Take what is below zero from the group's other rows in their order; what is left of it, 0 or less."""
    debt = sum(min(row[register], 0) for row in rows)
    for row in rows:
        if row[register] < 0:
            row[register] = row[register] * 0
        taken = min(row[register], -debt)
        row[register] -= taken
        debt += taken
    return debt


def _report(rows: list[dict[str, Any]], register: str, left: Any) -> dict[str, Any]:
    first = rows[0]
    return {
        "plant": first["plant"],
        "work_center": first["work_center"],
        "source": "",
        "counter": None,
        "event_id": f"{first['order_id']}/{first['operation']}/{first['part']}",
        "event_time": max(row["last_time"] for row in rows),
        "reason": "negative_total",
        "register": register,
        "previous": left,
        "found": left * 0,
    }
