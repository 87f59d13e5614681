"""What documents tell a person: over-delivery, two counts that disagree, totals that went below zero."""

from __future__ import annotations

from typing import Any

import polars as pl


def negative_totals(documents: pl.DataFrame) -> list[dict[str, Any]]:
    """Documents of which corrections took away more than was counted: they are announced as nothing."""
    if not documents["negative"].any():
        return []
    return [
        {
            "kind": "negative_total",
            "severity": "WARNING",
            "plant": row["plant"],
            "subject": row["order_id"],
            "message": f"operation {row['operation']}, work centre {row['work_center']}: corrections exceed "
            f"what was counted from {row['window_start'].isoformat()} on, which is confirmed as zero",
        }
        for row in documents.filter("negative").to_dicts()
    ]


def over_deliveries(changed: pl.DataFrame) -> list[dict[str, Any]]:
    """Operations whose over-delivery grew: judged rows with `counted`, `now_over` and the former `over`."""
    return [
        {
            "kind": "over_delivery",
            "severity": "WARNING",
            "plant": row["plant"],
            "subject": row["order_id"],
            "message": f"operation {row['operation']}: {row['counted'].normalize():f} {row['order_unit']} "
            f"counted, target {row['target'].normalize():f} and its tolerance exceeded by "
            f"{row['now_over'].normalize():f}",
        }
        for row in changed.filter(pl.col("now_over") > pl.col("over")).to_dicts()
    ]


def mismatches(changed: pl.DataFrame, percent: float) -> list[dict[str, Any]]:
    """Operations that both the machine and the operator counted, with different results."""
    both = changed.filter((pl.col("machine") > 0) & (pl.col("report") > 0))
    apart = (pl.col("machine") - pl.col("report")).abs().cast(pl.Float64) * 100
    far = both.filter(apart > pl.col("machine").cast(pl.Float64) * percent)
    return [
        {
            "kind": "count_mismatch",
            "severity": "WARNING",
            "plant": row["plant"],
            "subject": row["order_id"],
            "message": f"operation {row['operation']}: machine counted {row['machine'].normalize():f}, "
            f"operators reported {row['report'].normalize():f} {row['order_unit']}",
        }
        for row in far.to_dicts()
    ]
