"""Keys of documents: what they are made of, and what of a record is read from one.

A total's key names what it adds up. A late addition is one record, so its key is the record's place in the log
(topic, partition, offset) under plant and event time: places alone are not unique, since plants with brokers of their
own share a ledger, and a topic that is made anew begins with offset 0 again.
"""

from __future__ import annotations

import re

import polars as pl

from operators.partials import PARTITION_BITS

LATE = "late"
# Plant and time are missing in keys of former releases, which are in ledgers.
_PLACE = re.compile(rf"{LATE}\|(?:[^|]*\|-?\d+\|)?(?P<topic>[^|]+)\|(?P<partition>\d+)\|(?P<offset>\d+)")


def escaped(column: pl.Expr) -> pl.Expr:
    """Text without `|`, and different for different text."""
    return column.str.replace_all("%", "%25", literal=True).str.replace_all("|", "%7C", literal=True)


def document_key(*columns: str) -> pl.Expr:
    """Columns joined by `|`, which is escaped inside them, so that no two keys are the same text."""
    return pl.concat_str([escaped(pl.col(name)) for name in columns], separator="|")


def own_place(topic: str) -> pl.Expr:
    """What a late addition is told apart by: plant, event time in microseconds, topic, partition and offset.

    Args:
        topic: Topic or file that the rows (plant, event_time, origin, offset) were read from.
    """
    partition = pl.col("origin") % (1 << PARTITION_BITS)
    time = pl.col("event_time").to_physical().cast(pl.Int64)
    numbers = [number.cast(pl.String) for number in (partition, pl.col("offset"))]
    plant = escaped(pl.col("plant").cast(pl.String))
    return pl.concat_str(plant, time.cast(pl.String), escaped(pl.lit(topic)), *numbers, separator="|")


def late_key(adjustment: pl.Expr) -> pl.Expr:
    """Key of a late addition's document, by what `own_place` has made."""
    return pl.concat_str(pl.lit(LATE), adjustment, separator="|")


def late_place(key: str) -> tuple[str, int, int] | None:
    """Topic, partition and offset of a late addition; None of any other document.

    What a late confirmation implies (its key, `|backflush|` and so on behind it) is no addition of its own.
    """
    found = _PLACE.fullmatch(key)
    if found is None:
        return None
    topic = found["topic"].replace("%7C", "|").replace("%25", "%")
    return topic, int(found["partition"]), int(found["offset"])


__all__ = ["LATE", "document_key", "escaped", "late_key", "late_place", "own_place"]
