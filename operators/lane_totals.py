"""Where accepted rows go: partial totals, the work centres' timelines, or adjustments of their own."""

from __future__ import annotations

from collections import Counter

import numpy as np

from operators.lane_output import LaneOutput
from operators.lane_rows import Rows
from operators.lane_sorting import bury_rows
from operators.lane_verdicts import BEYOND
from operators.routes import adjustments, direct, partial_totals, timeline_rows
from operators.shifts import CalendarBook
from operators.windows import Window


def total(output: LaneOutput, counts: Counter[str], rows: Rows, window: Window, calendar: CalendarBook) -> None:
    """Hand out what accepted rows add to totals and timelines."""
    contract, frame = rows.contract, rows.frame
    if rows.late is not None and rows.late.any():
        counts[f"late:{contract}"] += int(rows.late.sum())
        _adjust(output, counts, rows.only(rows.late), window, calendar)
        frame = frame.filter(~rows.late)
    if not frame.height:
        return
    linear = direct(contract, frame)
    plain = frame if linear is None else frame.filter(linear)
    if plain.height:  # states have no quantities to add up
        partials = partial_totals(contract, plain, window, calendar)
        if partials.height:
            output.partials.append(partials)
    if linear is not None and plain.height < frame.height:
        output.timeline.append(timeline_rows(contract, frame.filter(~linear)))


def _adjust(output: LaneOutput, counts: Counter[str], rows: Rows, window: Window, calendar: CalendarBook) -> None:
    """Late additions: linear rows become adjustments, the others can't be attributed any more."""
    linear = direct(rows.contract, rows.frame)
    mask = np.ones(rows.frame.height, np.bool_) if linear is None else linear.to_numpy()
    if mask.any():
        plain = rows.frame.filter(mask)
        late = adjustments(rows.contract, rows.topic, plain, window, calendar)
        if late.height:
            output.late.append(late)
    lost = rows.only(~mask)
    bury_rows(output, counts, lost, np.full(lost.frame.height, BEYOND, np.uint8), "dead_after_history")
