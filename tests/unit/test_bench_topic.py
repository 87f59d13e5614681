"""The benchmark's own records: right by the contract, always the same, summed rightly."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pytest

from bench.topic import CycleTopic, truth

CONTRACT = Path(__file__).parents[2] / "schemas" / "avro" / "MachineCycle.avsc"
SPEC = CycleTopic(records=3_000, machines=40, machines_per_order=4, schema_id=7)


def values(spec: CycleTopic) -> list[bytes]:
    encoder = spec.encoder()
    return [value for frame in spec.rows() for value in encoder.encode(frame)]


def decode(records: list[bytes]) -> list[dict[str, Any]]:
    schema = fastavro.parse_schema(json.loads(CONTRACT.read_text()))
    events = []
    for record in records:
        assert record[:5] == b"\x00\x00\x00\x00\x07"
        body = io.BytesIO(record[5:])
        event: Any = fastavro.schemaless_reader(body, schema, None)
        events.append(event)
        assert body.read() == b""
    return events


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return decode(values(SPEC))


def test_the_truth_is_the_plain_sum_over_the_decoded_records(events: list[dict[str, Any]]) -> None:
    sums: dict[tuple[object, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for event in events:
        window = event["event_time"].replace(second=event["event_time"].second // 10 * 10, microsecond=0)
        key = (event["order_id"], event["operation"], event["work_center"], window)
        good, scrap = event["quantity_good"], event["quantity_scrap"]
        sums[key] = [a + b for a, b in zip(sums[key], [Decimal(1), good, scrap], strict=True)]
    expected = {tuple(row[:4]): [Decimal(row[4]), row[5], row[6]] for row in truth(SPEC).iter_rows()}
    assert sums == expected


def test_each_source_numbers_its_events_and_each_event_has_its_own_id(events: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame({"source": [e["source"] for e in events], "sequence": [e["sequence"] for e in events]})
    steps = frame.select(pl.col("sequence").diff().over("source")).drop_nulls().to_series()
    assert steps.unique().to_list() == [1]
    assert len({event["event_id"] for event in events}) == SPEC.records


def test_four_machines_share_an_order_and_event_time_spans_what_was_asked(
    events: list[dict[str, Any]],
) -> None:
    assert len({event["order_id"] for event in events}) == 10
    assert len({event["work_center"] for event in events}) == 40
    assert events[0]["event_time"] == SPEC.start
    assert 199 < (events[-1]["event_time"] - SPEC.start).total_seconds() < 200


def test_a_record_has_99_bytes_and_those_with_scrap_name_its_reason(events: list[dict[str, Any]]) -> None:
    scrapped = [event["scrap_reason"] is not None for event in events]
    assert scrapped == [event["quantity_scrap"] == 1 for event in events]
    assert [len(value) for value in values(SPEC)] == [105 if scrap else 99 for scrap in scrapped]


def test_a_shortened_topic_has_as_many_events_per_second() -> None:
    short = SPEC.shortened(300)
    assert (short.records, short.seconds, short.machines) == (300, 20.0, SPEC.machines)
    assert truth(short)["events"].sum() == 300


def test_the_same_seed_gives_the_same_records_over_any_number_of_frames() -> None:
    long = CycleTopic(records=250_000, machines=3)
    frames = list(long.rows())
    assert len(frames) == 3
    assert pl.concat(frames)["number"].to_list() == list(range(250_000))
    assert pl.concat(frames).equals(pl.concat(list(long.rows())))
    steps = pl.concat(frames).select(pl.col("sequence").diff().over("machine")).drop_nulls().to_series()
    assert steps.unique().to_list() == [1]
