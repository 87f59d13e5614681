"""Records of a small plant as codecs decode them, and as polls bring them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from schemas.batch import DecodedBatch, RawBatch
from schemas.contracts import contract
from schemas.types import polars_schema

START = 1_772_431_200_000_000  # 2026-03-02 06:00 UTC
SECOND = 1_000_000
HOUR = 3600 * SECOND
TOPICS = {"machine-cycle": "MachineCycle", "operation-report": "OperationReport"}
Record = dict[str, Any]
NOTHING = Decimal(0)


def cycle(source: str, number: int, at: int, **values: Any) -> Record:
    """A MachineCycle of one piece, `at` microseconds after START."""
    return {
        "event_id": f"{source}-{number}",
        "event_time": START + at,
        "plant": "P1",
        "source": source,
        "sequence": number,
        "work_center": f"WC-{source}",
        "order_id": "O1",
        "operation": "0010",
        "counting": "DELTA",
        "quantity_good": Decimal(1),
        "quantity_scrap": NOTHING,
        "quantity_rework": NOTHING,
        "unit": "C62",
        **values,
    }


def report(source: str, number: int, at: int, **values: Any) -> Record:
    """An OperationReport of one piece, `at` microseconds after START."""
    quantities = ("quantity_yield", "quantity_scrap", "quantity_rework")
    times = ("setup_time", "machine_time", "labour_time")
    same = {k: v for k, v in cycle(source, number, at).items() if k not in ("counting", "quantity_good")}
    zero = dict.fromkeys((*quantities, *times), NOTHING)
    return {**same, **zero, "quantity_yield": Decimal(1), "completed": False, **values}


def order(name: str, version: int = 1, **values: Any) -> Record:
    """A WorkOrder with one operation that the machine counts."""
    operation = {
        "operation": "0010",
        "work_center": "WC",
        "target_quantity": Decimal(1_000_000),
        "count_source": "MACHINE",
        "time_source": "OPERATOR",
        "auto_final": True,
    }
    head = {
        "event_id": f"{name}-{version}",
        "event_time": START,
        "plant": "P1",
        "source": "erp",
        "order_id": name,
        "version": version,
        "status": "RELEASED",
        "material": "M1",
        "quantity": Decimal(100),
        "unit": "C62",
        "over_tolerance": Decimal(10),
        "under_tolerance": NOTHING,
    }
    own = {name: value for name, value in values.items() if name in operation}
    rest = {name: value for name, value in values.items() if name not in operation}
    return {**head, "operations": [{**operation, **own}], **rest}


def frame(name: str, records: Sequence[Record]) -> pl.DataFrame:
    """Records as a codec decodes them; what is not named is null."""
    schema = polars_schema(contract(name))
    rows = [{**dict.fromkeys(schema), **record} for record in records]
    plain = {**schema, "event_time": pl.Int64()}
    return pl.DataFrame(rows, schema=plain).with_columns(pl.col("event_time").cast(schema["event_time"]))


class Stub:
    """Decodes values that are pickled records."""

    def __init__(self, name: str) -> None:
        self._name = name

    def decode(self, raw: RawBatch) -> DecodedBatch:
        return DecodedBatch(frame(self._name, [pickle.loads(value) for value in raw.values if value]))  # noqa: S301


def polled(topic: str, records: Sequence[Record], partition: int, offset: int) -> RawBatch:
    """Records as one poll of a partition, all logged long after they happened."""
    return RawBatch(
        topic,
        [pickle.dumps(record) for record in records],
        np.full(len(records), partition, np.int32),
        np.arange(offset, offset + len(records), dtype=np.int64),
        np.full(len(records), (START + 1000 * HOUR) // 1000, np.int64),
    )
