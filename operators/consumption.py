"""Consumption to goods movements: additive totals per movement that merge in any order and grouping.

The law is that of `operators.partials`: ``merge(totals(a), totals(b)) == totals(a ++ b)``. Quantities are added up in
the unit they were reported in and converted once, as a total, so that no rounding adds up.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from operators.base_units import in_base_unit
from operators.confirmations import CONFIRMATION
from operators.document_keys import document_key, late_key, own_place
from operators.partials import INSTANT, PARTITION_BITS, QUANTITY
from operators.references import Conversions
from operators.routes import CONTRACT_CODE
from operators.shifts import CalendarBook
from operators.windows import Window, assign

#: Identity of the document that a row adds to.
MOVEMENT_KEY: dict[str, pl.DataType] = {
    **dict.fromkeys(
        ("plant", "order_id", "operation", "movement", "material", "batch", "storage_location"), pl.String()
    ),
    "window_start": INSTANT,
}
ROW_KEY: dict[str, pl.DataType] = {**MOVEMENT_KEY, "unit": pl.String(), "origin": pl.Int32()}
SUMS: dict[str, pl.DataType] = {"events": pl.Int64(), "quantity": QUANTITY}
MAXIMA: dict[str, pl.DataType] = {
    "window_end": INSTANT,
    "posting_date": pl.Date(),
    "last_time": INSTANT,
    "last_offset": pl.Int64(),
    "last_reason": pl.String(),
}
MINIMA: dict[str, pl.DataType] = {"first_time": INSTANT, "first_offset": pl.Int64(), "first_reason": pl.String()}
CONSUMPTION: dict[str, pl.DataType] = {**ROW_KEY, **SUMS, **MAXIMA, **MINIMA}
#: A late addition is a document of its own: `adjustment` is the record's place in the log, "" for what windows hold.
ADJUSTED: dict[str, pl.DataType] = {**CONSUMPTION, "adjustment": pl.String()}
IDENTITY = [*MOVEMENT_KEY, "adjustment"]

_OUT = ("ISSUE", "SCRAP")
_ORIGINS = CONFIRMATION["origins"]


def by_hand(records: pl.DataFrame, serialised: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that may be posted automatically, and those that a person posts: pieces with a number are never guessed.

    Args:
        records: Rows of the contract MaterialConsumption.
        serialised: Plant and material of what has serial numbers, whether a record names them or not.
    """
    numbered = serialised.select("plant", "material").unique().with_columns(pl.lit(True).alias("numbered"))
    rows = records.join(numbered, on=["plant", "material"], how="left")
    person = pl.col("numbered").fill_null(False) | (pl.col("serials").list.len() > 0)
    return rows.filter(~person).drop("numbered"), rows.filter(person).drop("numbered")


def totals(records: pl.DataFrame, window: Window, calendar: CalendarBook) -> pl.DataFrame:
    """Add rows up per ROW_KEY.

    Args:
        records: Rows of the contract MaterialConsumption with origin (Int32) and offset (Int64).
        window: How time is cut.
        calendar: Shifts per plant; filter by `CalendarBook.unknown` first.

    Returns:
        Rows of CONSUMPTION.
    """
    return merge([_one_each(records, window, calendar).select(list(CONSUMPTION))])


def adjustments(records: pl.DataFrame, topic: str, window: Window, calendar: CalendarBook) -> pl.DataFrame:
    """Each row as a total of its own (ADJUSTED), under its place in the log.

    Args:
        records: As for `totals`.
        topic: Topic or file that they were read from.
        window: How time is cut.
        calendar: Shifts per plant.
    """
    rows = _one_each(records, window, calendar).with_columns(own_place(topic).alias("adjustment"))
    return rows.select(list(ADJUSTED))


def _one_each(records: pl.DataFrame, window: Window, calendar: CalendarBook) -> pl.DataFrame:
    rows = assign(records, window, calendar).with_columns(
        pl.col("kind").cast(pl.String).alias("movement"),
        # No batch, said in either way, is one document: both have the same key.
        pl.when(pl.col("batch") != "").then("batch").alias("batch"),
        pl.lit(1, pl.Int64).alias("events"),
        *(pl.col("event_time").alias(f"{end}_time") for end in ("first", "last")),
        *(pl.col("offset").alias(f"{end}_offset") for end in ("first", "last")),
        # No reason is a reason of its own, else a total of both would be told to have the other.
        *(pl.col("reason").fill_null("").alias(f"{end}_reason") for end in ("first", "last")),
    )
    return rows.with_columns(pl.col(name).cast(kind) for name, kind in CONSUMPTION.items())


def merge(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Add totals up: one row per ROW_KEY, whatever the order or grouping of `frames`."""
    rows = pl.concat([pl.DataFrame(schema=CONSUMPTION), *frames])
    return rows.group_by(list(ROW_KEY)).agg(_merged([*SUMS, *MAXIMA, *MINIMA])).select(list(CONSUMPTION))


def _merged(names: Sequence[str]) -> list[pl.Expr]:
    sums = [pl.col(name).sum().cast(kind) for name, kind in SUMS.items() if name in names]
    return [*sums, pl.col([n for n in names if n in MAXIMA]).max(), pl.col([n for n in names if n in MINIMA]).min()]


def movements(rows: pl.DataFrame, conversions: Conversions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fields of the contract GoodsMovement for totals, and the totals whose unit cannot be converted yet.

    The revision is the number of events in the total, and the material's version breaks ties. A total that waits for
    its unit is not in it: it raises the revision when it comes.

    Args:
        rows: Rows of CONSUMPTION or ADJUSTED; all of a document.
        conversions: Factors by material.
    """
    rows = rows if "adjustment" in rows.columns else rows.with_columns(pl.lit("").alias("adjustment"))
    measures = [name for name in (*SUMS, *MAXIMA, *MINIMA) if not name.endswith("_offset")]
    by_unit = rows.group_by([*IDENTITY, "unit"]).agg(*_merged(measures), _origins())
    good, stuck = in_base_unit(by_unit, conversions)
    documents = good.group_by(IDENTITY).agg(
        pl.col("unit").first(), *_merged(measures), pl.col("origins").explode().drop_nulls()
    )
    return _described(with_version(documents, conversions)).sort("document_key"), stuck.drop("origins")


def with_version(rows: pl.DataFrame, conversions: Conversions) -> pl.DataFrame:
    """Rows with `reference_version`: the version of their material; 0 where it is not known."""
    where = zip(rows["plant"], rows["material"], strict=True)
    versions = [conversions.version(*key) for key in where]
    return rows.with_columns(pl.Series("reference_version", versions, pl.Int64))


def identity_key(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of ADJUSTED (or the columns of IDENTITY) with the `document_key` that they add to."""
    starts = pl.col("window_start").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("starts")
    parts = ("plant", "order_id", "operation", "movement", "material", "place", "storage_location", "starts")
    named = rows.with_columns(starts, pl.col("batch").fill_null("").alias("place"))
    key = pl.when(pl.col("adjustment") == "").then(document_key(*parts)).otherwise(late_key(pl.col("adjustment")))
    return named.with_columns(key.alias("document_key")).drop("starts", "place")


def _origins() -> pl.Expr:
    topics = {code: name for name, code in CONTRACT_CODE.items()}
    contract = pl.col("origin").floordiv(1 << PARTITION_BITS)
    return pl.struct(
        contract.replace_strict(topics, default="", return_dtype=pl.String).alias("topic"),
        (pl.col("origin") % (1 << PARTITION_BITS)).cast(pl.Int32).alias("partition"),
        "first_offset",
        "last_offset",
        "events",
    ).alias("origins")


def _described(documents: pl.DataFrame) -> pl.DataFrame:
    leaves = pl.col("movement").is_in(_OUT)
    one_reason = (pl.col("first_reason") == pl.col("last_reason")) & (pl.col("first_reason") != "")
    unrestricted = pl.lit("UNRESTRICTED")
    named = identity_key(documents).with_columns(
        pl.when(one_reason).then("first_reason").alias("reason"),
        pl.when(leaves).then(unrestricted).alias("stock_type_from"),
        pl.when(~leaves).then(unrestricted).alias("stock_type_to"),
        pl.col("events").alias("revision"),
        pl.col("adjustment") != "",
        pl.col("origins").cast(_ORIGINS),
    )
    renamed = {"events": "event_count", "first_time": "first_event_time", "last_time": "last_event_time"}
    return named.rename(renamed).drop("first_reason", "last_reason")
