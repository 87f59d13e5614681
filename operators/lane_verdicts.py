"""Why a lane refuses a decoded row, and the dead letter that says so."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from operators.dedupe import DUPLICATE, EXPIRED, NEW, REUSED, UNVERIFIED
from operators.lane_output import Dead

Codes = npt.NDArray[np.uint8]
FUTURE, ANCIENT, CALENDAR, OVERSIZED, BEYOND = 1, 2, 3, 4, 5
SERIALISED, BOOKED_ELSEWHERE, NEGATIVE, UNCOUNTED = 6, 7, 8, 9
_CODES = 10
#: Reason of a row that repeats another; it is counted, not buried.
REPEATED = _CODES + DUPLICATE
_REASONS: dict[int, tuple[str, str]] = {
    FUTURE: ("future_event_time", "event_time {event_time} is ahead of the log's time {logged}"),
    ANCIENT: ("ancient_event_time", "event_time {event_time} is too long before the log's time {logged}"),
    CALENDAR: ("calendar_unknown", "plant {plant} has no ShiftCalendar and settings name no default"),
    OVERSIZED: ("quantity_out_of_range", "a quantity of event {event_id} is larger than any total may be"),
    BEYOND: (
        "beyond_horizon",
        "older than the correction horizon, and its order depends on events that have left the state",
    ),
    SERIALISED: (
        "serialised_material",
        "material {material} has serial numbers (`serials`, or `serialised` of the settings): a person posts it",
    ),
    BOOKED_ELSEWHERE: (
        "booked_elsewhere",
        "{kind} of {material} for order {order_id} is backflushed by the declared rules, so it would be booked twice",
    ),
    NEGATIVE: ("negative_quantity", "quantity {quantity} of event {event_id} is below zero"),
    UNCOUNTED: ("future_as_of", "as_of {as_of} is ahead of event_time {event_time}: nobody can have counted up to it"),
    _CODES + REUSED: (
        "sequence_reused",
        "source {source} numbered a new event {sequence}, used before: a source that starts again needs a new name",
    ),
    _CODES + EXPIRED: (
        "sequence_expired",
        "number {sequence} of source {source} lies in a gap that was given up",
    ),
}


def joined(reasons: Codes, codes: Codes) -> Codes:
    """Reasons with the verdicts of de-duplication, which come first: what is repeated was judged before."""
    accepted = (codes == NEW) | (codes == UNVERIFIED)
    return np.where(accepted, reasons, codes + np.uint8(_CODES)).astype(np.uint8)


def dead_letters(
    contract: str, topic: str, frame: pl.DataFrame, reasons: Codes, logged: npt.NDArray[np.int64]
) -> list[Dead]:
    """A dead letter per row of a frame with origin columns; `reasons` and `logged` are per row."""
    letters = []
    rows = zip(frame.iter_rows(named=True), reasons.tolist(), logged.tolist(), strict=True)
    for record, code, at in rows:
        partition, offset = record.pop("origin") & 0xFFFF, record.pop("offset")
        reason, detail = _REASONS[code]
        told = detail.format(**record, logged=np.datetime64(at, "us"))
        letters.append(Dead(contract, topic, partition, offset, reason, told, _payload(record)))
    return letters


def _payload(record: dict[str, Any]) -> bytes:
    return json.dumps(record, default=str).encode(errors="backslashreplace")
