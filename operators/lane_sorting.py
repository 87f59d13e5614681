"""Sorting out: rows that were refused become dead letters, rows that repeat another are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from operators.lane_output import Dead, LaneOutput
from operators.lane_rows import Codes, Rows
from operators.lane_verdicts import REPEATED, dead_letters


def sort_out(output: LaneOutput, counts: Counter[str], rows: Rows, reasons: Codes) -> Rows:
    """Take out what was refused or repeated; what remains is accepted."""
    counts[f"duplicates:{rows.contract}"] += int((reasons == REPEATED).sum())
    refused = (reasons > 0) & (reasons != REPEATED)
    if refused.any():
        bury_rows(output, counts, rows.only(refused), reasons[refused])
    return rows.only(reasons == 0)


def bury_rows(output: LaneOutput, counts: Counter[str], rows: Rows, reasons: Codes, after: str = "dead") -> None:
    """Give up rows for a reason each."""
    bury(output, counts, dead_letters(rows.contract, rows.topic, rows.frame, reasons, rows.logged), after)


def bury(output: LaneOutput, counts: Counter[str], letters: Iterable[Dead], after: str = "dead") -> None:
    """Hand out dead letters and count them by contract and reason, under the name `after`."""
    for letter in letters:
        counts[f"{after}:{letter.contract}:{letter.reason}"] += 1
        output.dead.append(letter)
