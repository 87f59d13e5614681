"""What a flow's batches become in metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from prometheus_client import REGISTRY

from operators.consumption import CONSUMPTION
from operators.lane_output import LaneOutput
from operators.partials import PARTIAL
from operators.reference_lane import ReferenceOutput
from operators.references import ORDER
from operators.replenishment import Announced
from operators.replenishment_figures import Figures
from operators.replenishment_rows import COUNTED, PAPERED, ROWS
from operators.screen import NO_PROGRESS
from operators.timeline_rows import TIMELINE
from sinks.batches import Batch
from sinks.metrics import observe, observe_announced, observe_lane, observe_reference

NOW = datetime.now(UTC).replace(microsecond=0)


def frame(schema: dict[str, pl.DataType], **columns: list[object]) -> pl.DataFrame:
    """Rows of a schema with these columns; the others are null."""
    given = pl.DataFrame(columns, schema={name: schema[name] for name in columns})
    return given.with_columns(pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in columns)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def counted(**counts: int) -> Batch:
    return Batch(counts={"lane-00": {name.replace("_", ":"): number for name, number in counts.items()}})


def test_running_totals_become_rates_of_this_process_and_the_state_stays_as_it_is() -> None:
    """A lane that goes on after a restart stands at a thousand; that is no burst of a thousand."""
    observe(counted(read_MachineCycle=1_000, accepted_MachineCycle=990), "counts")
    observe(counted(read_MachineCycle=1_010, accepted_MachineCycle=995), "counts")
    read = {"flow": "counts", "contract": "MachineCycle", "outcome": "read"}
    assert value("millrace_flow_records_total", **read) == 10
    assert value("millrace_records", lane="lane-00", **read) == 1_010
    assert value("millrace_batch_records_count", flow="counts") == 1
    assert value("millrace_batch_records_sum", flow="counts") == 10


def test_gaps_are_counted_by_plant_from_a_zero_that_was_shown_before() -> None:
    """A counter that first appears as 1 has not grown, so its alert would never fire."""
    rows = frame(PARTIAL, plant=["P1"], last_time=[NOW])
    observe_lane(LaneOutput("lane-00", partials=[rows]), "gaps")
    assert value("millrace_sequence_gaps_total", flow="gaps", plant="P1") == 0
    observe(Batch(alerts=[{"kind": "sequence_gap", "plant": "P1"}]), "gaps")
    assert value("millrace_sequence_gaps_total", flow="gaps", plant="P1") == 1


def test_late_events_do_not_set_a_plant_back() -> None:
    for at in (NOW, NOW - timedelta(hours=1)):
        rows = frame(TIMELINE, plant=["P1"], event_time=[at])
        observe_lane(LaneOutput("lane-00", timeline=[rows]), "late")
    assert value("millrace_newest_event_timestamp_seconds", flow="late", plant="P1") == NOW.timestamp()


@pytest.mark.parametrize("schema", [CONSUMPTION, *(columns for columns, _ in ROWS.values())])
def test_rows_of_every_kind_tell_the_time_of_their_plant(schema: dict[str, pl.DataType]) -> None:
    column = next(name for name in ("last_time", "time", "as_of") if name in schema)
    rows = frame(schema, plant=["P9"], **{column: [NOW]})
    flow = f"kinds{len(schema)}{column}"
    observe_lane(LaneOutput("lane-00", partials=[rows]), flow)
    assert value("millrace_newest_event_timestamp_seconds", flow=flow, plant="P9") == NOW.timestamp()


def test_figures_of_the_business_begin_at_zero_when_their_plant_is_first_heard() -> None:
    """Else the first count of stock after a start, which may be all of a day, is no growth."""
    rows = {
        name: [frame(ROWS[name][0], plant=["P7"], **{at: [NOW]})]
        for name, at in ((COUNTED, "as_of"), (PAPERED, "time"))
    }
    assert value("millrace_stock_compared_total", flow="begin", plant="P7") is None
    observe_lane(LaneOutput("lane-00", partials=[frame(PARTIAL, plant=["P7"], last_time=[NOW])], rows=rows), "begin")
    names = [
        "stock_compared_total",
        "stock_apart_total",
        "supplier_response_seconds_count",
        "operations_released_total",
    ]
    assert [value(f"millrace_{name}", flow="begin", plant="P7") for name in names] == [0] * 4


def test_the_watermark_waits_for_partitions_that_were_not_heard() -> None:
    output = LaneOutput("lane-00", progress={"a/0": 5_000_000, "a/1": NO_PROGRESS})
    observe_lane(output, "marks")
    assert value("millrace_watermark_timestamp_seconds", flow="marks", lane="lane-00") is None
    output.idle = {"a/1": 4_000_000}
    observe_lane(output, "marks")
    assert value("millrace_watermark_timestamp_seconds", flow="marks", lane="lane-00") == 4.0


def test_release_latency_leaves_out_a_topic_that_is_read_anew() -> None:
    ago = [timedelta(seconds=30), timedelta(days=30)]
    changed: list[object] = [NOW - each for each in ago]
    fresh = frame(ORDER, plant=["P1", "P1"], order_id=["1", "2"], status=["RELEASED"] * 2, changed=changed)
    observe_reference(ReferenceOutput(fresh=fresh), "orders")
    assert value("millrace_operations_released_total", flow="orders", plant="P1") == 2
    assert value("millrace_order_release_latency_seconds_count", flow="orders", plant="P1") == 1


def test_inventory_accuracy_and_supplier_response() -> None:
    figures = Figures(responses=[("P1", 7_200.0)])
    figures.count({"P1|STEEL|": [], "P1|BRASS|": ["apart"]})
    observe_announced(Announced(figures=figures), "stock")
    assert value("millrace_stock_compared_total", flow="stock", plant="P1") == 2
    assert value("millrace_stock_apart_total", flow="stock", plant="P1") == 1
    assert value("millrace_supplier_response_seconds_sum", flow="stock", plant="P1") == 7_200


def test_each_plant_of_a_mixed_batch_has_its_own_newest_event() -> None:
    times: list[object] = [NOW, NOW - timedelta(minutes=5), NOW - timedelta(minutes=9)]
    rows = frame(TIMELINE, plant=["P1", "P2", "P2"], event_time=times)
    observe_lane(LaneOutput("lane-00", timeline=[rows]), "mixed")
    found = [value("millrace_newest_event_timestamp_seconds", flow="mixed", plant=plant) for plant in ("P1", "P2")]
    assert found == [NOW.timestamp(), (NOW - timedelta(minutes=5)).timestamp()]
