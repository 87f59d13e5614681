"""Production confirmations: totals of a window, completed by what the order says.

Which of two alternative counts is confirmed, in which unit, for which material: all of that is linear, so it
is applied to totals, not to events.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from operators.document_keys import document_key, late_key
from operators.partials import DOCUMENT_KEY, INSTANT, MACHINE, PARTITION_BITS, QUANTITY, REPORT, TIME
from operators.references import CANCELLED, Conversions
from operators.routes import CONTRACT_CODE

#: Identity of a document: its key and, for a late addition, topic, partition and offset.
IDENTITY = [*DOCUMENT_KEY, "adjustment"]
QUANTITIES = ("quantity_yield", "quantity_scrap", "quantity_rework")
TIMES = ("setup_time", "machine_time", "labour_time")
CONFIRMATION: dict[str, pl.DataType] = {
    "document_key": pl.String(),
    "revision": pl.Int64(),
    "reference_version": pl.Int64(),
    "adjustment": pl.Boolean(),
    "plant": pl.String(),
    "order_id": pl.String(),
    "operation": pl.String(),
    "work_center": pl.String(),
    "material": pl.String(),
    "shift": pl.String(),
    "posting_date": pl.Date(),
    "window_start": INSTANT,
    "window_end": INSTANT,
    **dict.fromkeys(QUANTITIES, QUANTITY),
    "scrap": pl.List(pl.Struct({"reason": pl.String(), "quantity": QUANTITY})),
    "unit": pl.String(),
    **dict.fromkeys(TIMES, QUANTITY),
    "first_event_time": INSTANT,
    "last_event_time": INSTANT,
    "event_count": pl.Int64(),
    "is_final": pl.Boolean(),
    "over_delivery": QUANTITY,
    "withdrawn": pl.Boolean(),
    "origins": pl.List(
        pl.Struct(
            {
                "topic": pl.String(),
                "partition": pl.Int32(),
                "first_offset": pl.Int64(),
                "last_offset": pl.Int64(),
                "events": pl.Int64(),
            }
        )
    ),
}
#: Measures that are plain sums; scrap is the sum over its reasons.
_PLAIN = [*(name for name in QUANTITIES if name != "quantity_scrap"), *TIMES]
NO_QUANTITY = pl.lit(Decimal(0), dtype=QUANTITY)


def convert_units(rows: pl.DataFrame, conversions: Conversions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Quantities in the order's unit; and the rows for which no conversion is known.

    Exact per total: the cumulative total is converted and rounded once, so rounding never adds up. Rows of
    times alone have no unit, and nothing needs no conversion.
    """
    nothing = pl.all_horizontal(pl.col(name) == 0 for name in QUANTITIES)
    same = rows.select((pl.col("unit") == pl.col("order_unit")) | nothing).to_series()
    if same.all():
        return rows, rows.clear()
    foreign = rows.filter(~same)
    done: list[dict[str, Any]] = []
    stuck: list[dict[str, Any]] = []
    for record in foreign.to_dicts():
        where = (record["plant"], record["material"])
        found = [conversions.convert(*where, record[name], record["unit"], record["order_unit"]) for name in QUANTITIES]
        (stuck if None in found else done).append({**record, **dict(zip(QUANTITIES, found, strict=True))})
    stuck_rows = pl.DataFrame([{n: r[n] for n in IDENTITY} for r in stuck], schema=_identity(rows))
    converted = pl.DataFrame(done, schema=rows.schema).with_columns(pl.col("order_unit").alias("unit"))
    good = pl.concat([rows.filter(same), converted]).join(stuck_rows, on=IDENTITY, how="anti")
    return good, rows.join(stuck_rows, on=IDENTITY, how="semi")


def _identity(rows: pl.DataFrame) -> dict[str, pl.DataType]:
    return {name: rows.schema[name] for name in IDENTITY}


def choose(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep the count and the times that the confirmation profile names; the alternatives count nothing."""
    counted = pl.col("kind") == pl.when(pl.col("count_source") == "MACHINE").then(pl.lit(MACHINE)).otherwise(
        pl.lit(REPORT)
    )
    timed = pl.col("kind") == pl.when(pl.col("time_source") == "MACHINE").then(pl.lit(TIME)).otherwise(pl.lit(REPORT))
    return rows.with_columns(
        *(pl.when(counted).then(name).otherwise(NO_QUANTITY).alias(name) for name in QUANTITIES),
        *(pl.when(timed).then(name).otherwise(NO_QUANTITY).alias(name) for name in TIMES),
    )


def confirmations(rows: pl.DataFrame) -> pl.DataFrame:
    """Documents from chosen rows: columns of CONFIRMATION and `negative`, one row per IDENTITY.

    No measure is below zero: a total that corrections brought below it is shown as nothing, and is
    `negative`. The total of a cancelled order is `withdrawn`, and stays as it is in case the order comes back.

    Args:
        rows: Rows of TOTAL with `adjustment` and the columns of the order, in the order's unit.
    """
    contract = pl.col("origin").floordiv(1 << PARTITION_BITS)
    topics = {code: name for name, code in CONTRACT_CODE.items()}
    origin = pl.struct(
        contract.replace_strict(topics, default="", return_dtype=pl.String).alias("topic"),
        (pl.col("origin") % (1 << PARTITION_BITS)).cast(pl.Int32).alias("partition"),
        "first_offset",
        "last_offset",
        "events",
    )
    # A filter inside a group costs more than the rest of the aggregation: it is taken only where a row has no event.
    counted = bool((rows["events"] > 0).all())
    documents = rows.group_by(IDENTITY).agg(
        pl.col("revises").sum().alias("revision"),
        pl.col("version").max().alias("reference_version"),
        (pl.col("status") == CANCELLED).any().alias("withdrawn"),
        pl.col("material").first(),
        pl.col("order_unit").first().alias("unit"),
        pl.col("posting_date").max(),
        pl.col("window_end").max(),
        *(pl.col(name).sum().cast(QUANTITY) for name in _PLAIN),
        pl.col("first_time").min().alias("first_event_time"),
        pl.col("last_time").max().alias("last_event_time"),
        pl.col("events").sum().alias("event_count"),
        *([origin.alias("origins")] if counted else []),
    )
    if not counted:
        listed = rows.filter(pl.col("events") > 0).group_by(IDENTITY).agg(origin.alias("origins"))
        documents = documents.join(listed, on=IDENTITY, how="left")
        documents = documents.with_columns(pl.col("origins").fill_null(pl.lit([], dtype=CONFIRMATION["origins"])))
        # A total of which corrections left no event has no time of its own, and a record needs one.
        times = {"first_event_time": "window_start", "last_event_time": "window_end"}
        documents = documents.with_columns(pl.coalesce(name, window).alias(name) for name, window in times.items())
    documents = documents.join(_scrap(rows), on=IDENTITY, how="left")
    start = pl.col("window_start").to_physical().cast(pl.String).alias("_start")
    plain = document_key("plant", "order_id", "operation", "work_center", "shift", "_start")
    late = late_key(pl.col("adjustment"))
    negative = pl.col("scrap_negative").fill_null(value=False) | pl.any_horizontal(pl.col(_PLAIN) < 0)
    return (
        documents.with_columns(
            start,
            pl.col("scrap").fill_null(pl.lit([], dtype=CONFIRMATION["scrap"])),
            pl.col("quantity_scrap").fill_null(NO_QUANTITY),
            *(pl.max_horizontal(pl.col(name), NO_QUANTITY).alias(name) for name in _PLAIN),
            negative=negative,
            is_final=pl.lit(value=False),
            over_delivery=NO_QUANTITY,
        )
        .with_columns(pl.when(pl.col("adjustment") == "").then(plain).otherwise(late).alias("document_key"))
        .with_columns(pl.col("adjustment") != "")
        .select(*(pl.col(name).cast(kind) for name, kind in CONFIRMATION.items()), "negative")
    )


def _scrap(rows: pl.DataFrame) -> pl.DataFrame:
    by_reason = (
        rows.filter(pl.col("quantity_scrap") != 0)
        .group_by([*IDENTITY, "scrap_reason"])
        .agg(pl.col("quantity_scrap").sum().cast(QUANTITY).alias("quantity"))
        .sort("scrap_reason")
    )
    struct = pl.struct(pl.col("scrap_reason").alias("reason"), "quantity").alias("scrap")
    positive = by_reason.filter(pl.col("quantity") > 0)
    totals = positive.group_by(IDENTITY, maintain_order=True).agg(
        struct, pl.col("quantity").sum().cast(QUANTITY).alias("quantity_scrap")
    )
    below = by_reason.filter(pl.col("quantity") < 0).select(IDENTITY).unique()
    if not below.height:
        return totals.with_columns(pl.lit(value=False).alias("scrap_negative"))
    return totals.join(below.with_columns(scrap_negative=True), on=IDENTITY, how="full", coalesce=True)
