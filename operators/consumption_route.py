"""What of reported consumption is added up, and what a person has to post."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from operators.backflush_rules import BackflushRules
from operators.consumption import adjustments, totals
from operators.lane_config import Route
from operators.lane_output import LaneOutput
from operators.lane_rows import Rows
from operators.lane_sorting import bury_rows
from operators.lane_verdicts import BOOKED_ELSEWHERE, SERIALISED
from operators.movement_elsewhere import IMPLIED
from operators.shifts import CalendarBook
from operators.windows import Window

_AFTER_HISTORY = "dead_after_history"


def consumption_route(rules: BackflushRules) -> Route:
    """Takes accepted rows of MaterialConsumption: totals, adjustments of late ones, dead letters.

    Pieces with serial numbers and components that another side books are given up after they were kept: the history has
    them, and a person posts or discards them.

    Args:
        rules: Who books which component.
    """

    def route(output: LaneOutput, counts: Counter[str], rows: Rows, window: Window, calendar: CalendarBook) -> None:
        reasons = _reasons(rows.frame, rules)
        if reasons.any():
            bury_rows(output, counts, rows.only(reasons > 0), reasons[reasons > 0], _AFTER_HISTORY)
            rows = rows.only(reasons == 0)
        frame = rows.frame
        if rows.late is not None and rows.late.any():
            counts[f"late:{rows.contract}"] += int(rows.late.sum())
            output.late.append(adjustments(frame.filter(rows.late), rows.topic, window, calendar))
            frame = frame.filter(~rows.late)
        if frame.height:
            output.partials.append(totals(frame, window, calendar))

    return route


def _reasons(frame: pl.DataFrame, rules: BackflushRules) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Reason per row; 0 for what is posted automatically."""
    names = frame.select("plant", "material").unique()
    told = names.with_columns(
        pl.Series("numbered", [rules.is_serialised(*each) for each in names.rows()], pl.Boolean),
        pl.Series("elsewhere", [rules.not_to_report(*each) is not None for each in names.rows()], pl.Boolean),
    )
    rows = frame.select("plant", "material", "kind", "order_id", "serials").join(
        told, on=["plant", "material"], how="left", maintain_order="left"
    )
    person = pl.col("numbered") | (pl.col("serials").list.len() > 0)
    implied = pl.col("elsewhere") & pl.col("kind").cast(pl.String).is_in(IMPLIED) & (pl.col("order_id") != "")
    code = pl.when(person).then(SERIALISED).when(implied).then(BOOKED_ELSEWHERE).otherwise(0)
    return rows.select(code.cast(pl.UInt8)).to_series().to_numpy()
