"""State times as records of the contract StateTime."""

from __future__ import annotations

from typing import Any

import polars as pl


def state_time_records(frame: pl.DataFrame, flow: str) -> list[dict[str, Any]]:
    """Rows of a timeline's state times with their envelope; the highest revision of a work centre and shift counts."""
    return [
        {
            **{name: value for name, value in row.items() if name not in ("window_start", "window_end")},
            "event_id": f"{row['plant']}|{row['work_center']}|{row['window_start']}#{row['revision']}",
            "event_time": row["window_start"],
            "source": flow,
            "sequence": None,
            "correlation_id": None,
        }
        for row in frame.to_dicts()
    ]
