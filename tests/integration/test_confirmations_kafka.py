"""The confirmations flow against a real broker and a real registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.contracts import contract
from schemas.registry import RegistrySchemas, SchemaSource
from tests.flows.memory import order
from tests.integration.flow_process import BEGIN, FlowProcess, cycles
from tests.servers import Kafka, Registry

pytestmark = pytest.mark.server
MakeFlow = Callable[..., FlowProcess]
_numbers = count(1)


@pytest.fixture
def make_flow(kafka: Kafka, tmp_path: Path) -> Iterator[MakeFlow]:
    made: list[FlowProcess] = []

    def make(**settings: Any) -> FlowProcess:
        made.append(FlowProcess(kafka, tmp_path, f"flow{next(_numbers)}", **settings))
        return made[-1]

    yield make
    for flow in made:
        flow.close()


def test_records_of_a_registry_are_booked_though_it_is_killed_and_started_again(
    make_flow: MakeFlow, registry: Registry
) -> None:
    """A record whose schema cannot be asked for now waits; it never becomes a dead letter."""
    registry.kill()
    registry.start()
    schemas = register(registry)
    flow = make_flow(registry={"url": registry.url})
    flow.release("O1", schemas=schemas)
    flow.send("WorkOrder", [order("O2", count_source="OPERATOR")], schemas=schemas)
    flow.send("MachineCycle", cycles("M1", 1, 100), schemas=schemas)
    flow.start()
    flow.wait(lambda: flow.totals() == {"O1": 100}, "first cycles")
    registry.kill()
    flow.send("OperationReport", [report(1), report(2)], partition=1, schemas=schemas)
    flow.send("MachineCycle", cycles("M2", 1, 50), partition=2, schemas=schemas)
    flow.wait(lambda: flow.read() == 150, "cycles whose schema is known, of another lane")
    assert flow.read("OperationReport") == 0
    with flow.stopped():  # this registry forgets; a real one keeps its schemas over a restart
        registry.start()
        register(registry)
    flow.wait(lambda: flow.totals() == {"O1": 150, "O2": 14}, "everything once the registry is back")
    assert flow.drain() == [0]
    assert flow.dead_letters() == {}


def register(registry: Registry) -> SchemaSource:
    """Ids are given in the order of registration, so a registry that forgot gives the same ones again."""
    schemas = RegistrySchemas(registry.url)
    for name in ("WorkOrder", "MachineCycle", "OperationReport"):
        schemas.id_for(contract(name).subject, contract(name).schema)
    schemas.close()  # ids are known from now on
    return schemas


def report(number: int) -> dict[str, Any]:
    """An operator's report of seven good pieces for order O2."""
    return {
        "event_id": f"T1-{number}",
        "event_time": BEGIN + timedelta(minutes=number),
        "plant": "P1",
        "source": "T1",
        "work_center": "WC",
        "order_id": "O2",
        "operation": "0010",
        "quantity_yield": Decimal(7),
        **dict.fromkeys(("quantity_scrap", "quantity_rework"), Decimal(0)),
        **dict.fromkeys(("setup_time", "machine_time", "labour_time"), Decimal(0)),
        "unit": "C62",
        "completed": False,
    }


def test_an_offset_that_was_deleted_stops_the_flow_until_it_is_told_to_go_on(make_flow: MakeFlow, kafka: Kafka) -> None:
    flow = make_flow(partitions=2)
    topic = flow.topics["MachineCycle"]
    flow.release("O1")
    flow.send("MachineCycle", cycles("M1", 1, 100), partition=0)
    flow.start()
    flow.wait(lambda: flow.totals() == {"O1": 100}, "first cycles")
    assert flow.drain() == [0]
    flow.send("MachineCycle", cycles("M1", 101, 100), partition=0)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.delete_records([TopicPartition(topic, 0, 150)]).values():
        future.result()
    flow.start()
    assert flow.wait_for_end() != 0
    assert f"{topic}/0: the next offset 100 is no longer in the log" in flow.log
    assert "kafka_out_of_range" in flow.log.splitlines()[-1], "the way on is the last thing one reads"
    flow.start(kafka_out_of_range="earliest")
    flow.wait(lambda: flow.totals() == {"O1": 150}, "what is left")
    assert flow.drain() == [0]


def test_sigterm_keeps_open_windows_and_the_restart_completes_them_once(make_flow: MakeFlow) -> None:
    """No partition falls idle before the restart, so nothing closes the window until then."""
    flow = make_flow(window="1h", idle_s=600)
    flow.release("O1")
    flow.send("MachineCycle", cycles("M1", 1, 200))
    flow.start()
    flow.wait(lambda: flow.read() == 200, "cycles")
    assert flow.drain() == [0]
    assert flow.totals() == {}
    assert flow.history().height == 200
    flow.send("MachineCycle", cycles("M1", 201, 100))
    flow.start(idle_s=0.5)
    flow.wait(lambda: flow.totals() == {"O1": 300}, "the window")
    assert flow.drain() == [0]
    assert flow.history()["event_id"].n_unique() == flow.history().height == 300


def test_the_consumer_group_shows_how_far_the_flow_is(make_flow: MakeFlow, kafka: Kafka) -> None:
    flow = make_flow()
    topic = flow.topics["MachineCycle"]
    for partition in range(4):
        flow.send("MachineCycle", cycles(f"M{partition}", 1, 50 + partition), partition=partition)
    flow.release("O1")
    flow.start()
    expected = {partition: 50 + partition for partition in range(4)}
    flow.wait(lambda: committed(kafka, flow.name, topic) == expected, "offsets of the group")
    flow.send("MachineCycle", cycles("M0", 51, 10), partition=0)
    flow.wait(lambda: committed(kafka, flow.name, topic)[0] == 60, "new offsets of the group")
    assert flow.drain() == [0]


def committed(kafka: Kafka, group: str, topic: str) -> dict[int, int]:
    """Offsets of a group by partition."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    future = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group]
    offsets = future.result().topic_partitions
    return {each.partition: each.offset for each in offsets if each.topic == topic}


AHEAD_S, BATCH, PER_PARTITION = 60, 500, 10_000


def test_a_backlog_with_a_partition_that_lags_is_exact_and_keeps_partitions_together(
    make_flow: MakeFlow,
) -> None:
    """One cycle a second; partition 3 begins ten minutes of event time before the others.

    What a snapshot held of open windows is seen from the history, which is written at the same moments.
    """
    flow = make_flow(lanes=1, window="1m", ring=256, batch=BATCH, ahead_s=AHEAD_S, epoch_s=0.05)
    orders = [f"O{partition}" for partition in range(4)]
    for partition, name in enumerate(orders):
        shift = timedelta(minutes=-10 if partition == 3 else 0)
        records = cycles(f"M{partition}", 1, PER_PARTITION, name)
        moved = [{**record, "event_time": record["event_time"] + shift} for record in records]
        flow.send("MachineCycle", moved, partition=partition)
    flow.release(*orders)
    flow.start()
    everything = dict.fromkeys(orders, PER_PARTITION)
    flow.wait(lambda: flow.totals() == everything, "the backlog")
    assert flow.drain() == [0]
    assert furthest_apart(flow.history()) <= timedelta(seconds=AHEAD_S + 2 * BATCH)


def furthest_apart(history: pl.DataFrame) -> timedelta:
    """Most event time that one partition was ahead of another at a snapshot, while both had more to read."""
    ends = history.group_by("partition").agg(end=pl.col("event_time").max())
    reached = (
        history.group_by("file", "partition")
        .agg(pl.col("event_time").max())
        .pivot("partition", index="file", values="event_time")
        .sort("file")
        .select(pl.exclude("file").forward_fill())
    )
    last = dict(ends.iter_rows())
    apart: timedelta = max(
        max(row.values()) - min(row.values())
        for row in reached.drop_nulls().iter_rows(named=True)
        if all(time < last[int(partition)] for partition, time in row.items())
    )
    return apart


def test_three_processes_go_on_where_one_stopped(make_flow: MakeFlow) -> None:
    flow = make_flow(window="1m", ring=64)
    machines = {f"M{number}": f"O{number}" for number in range(8)}
    flow.release(*machines.values())
    for machine, name in machines.items():
        flow.send("MachineCycle", cycles(machine, 1, 150, name))
    flow.start()
    flow.wait(lambda: flow.read() == 8 * 150, "first half")
    assert flow.drain() == [0]
    for machine, name in machines.items():
        flow.send("MachineCycle", cycles(machine, 151, 150, name))
        flow.send("MachineCycle", cycles(machine, 100, 20, name))
    flow.start(processes=3)
    flow.wait(lambda: flow.totals() == dict.fromkeys(machines.values(), 300), "second half")
    assert flow.drain() == [0, 0, 0]
    assert flow.history()["event_id"].n_unique() == flow.history().height == 8 * 300
