"""Late additions that a replay leaves as they are: rows that are documents of their own in the ledger, or may be.

A row is known again by plant, event time and place in the log. The place alone is not enough: plants with brokers of
their own share a history, and a topic that is made anew begins with offset 0 again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import polars as pl

from millrace.ledger import Ledger
from millrace.ledger.standing import LATE, Standing, waiting_adjustments
from operators.document_keys import late_place
from operators.partials import INSTANT

#: Parts of a key that names plant and event time.
_PARTS = 6


class Late(NamedTuple):
    """One late addition.

    Args:
        plant: Its plant.
        topic: Topic or file that it was read from.
        partition: Partition.
        offset: Offset.
        at: Event time, microseconds; -1 where an earlier release made the key, which did not name it.
    """

    plant: str
    topic: str
    partition: int
    offset: int
    at: int = -1


NO_TIME = Late("", "", 0, 0).at
_SCHEMA: dict[str, pl.DataType] = {
    "plant": pl.String(),
    "topic": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
    "event_time": INSTANT,
}


def late_of(key: str, plant: str) -> Late | None:
    """The late addition that a document is; None of any other document.

    Args:
        key: The document's key.
        plant: The document's plant, for a key that does not name it.
    """
    place = late_place(key)
    if place is None:
        return None
    parts = key.split("|")
    if len(parts) != _PARTS:
        return Late(plant, *place)
    return Late(parts[1].replace("%7C", "|").replace("%25", "%"), *place, int(parts[2]))


def late_additions(ledger: Ledger, standing: Mapping[str, Standing]) -> list[Late]:
    """Those that the ledger has or waits for."""
    known = {key: each.plant for key, each in standing.items() if key.startswith(LATE)}
    known |= ledger.ask(waiting_adjustments)
    return sorted(each for key, plant in known.items() if (each := late_of(key, plant)) is not None)


def late_frame(late: Iterable[Late], topics: Collection[str]) -> pl.DataFrame:
    """Those of some topics as rows; the event time is null where it is not known."""
    rows = [(*each[:4], None if each.at == NO_TIME else each.at) for each in late if each.topic in topics]
    schema = {**_SCHEMA, "event_time": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row").cast({"event_time": INSTANT})


__all__ = ["Late", "late_additions", "late_frame", "late_of"]
