"""The simulated plant: a seed gives the same day, and its truth is what its records say when read plainly."""

import itertools
import zlib
from collections import Counter as Tally
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.plant import Emission, Fault, Plant
from sandbox.plant_jsonl import write_jsonl
from sandbox.plant_layout import REGISTER, TOPICS, WORK_CENTERS, Counter
from sandbox.plant_wire import AVRO, to_wire
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas

START = datetime(2026, 3, 2, 5, tzinfo=UTC)
CENTERS = {center.name: center for center in WORK_CENTERS}


@pytest.fixture(scope="module")
def plant():
    return Plant(1, START, hours=24, scale=0.25)


@pytest.fixture(scope="module")
def sent(plant):
    return list(plant.stream())


def schema_of(name):
    return fastavro.schema.load_schema(str(AVRO / f"{name}.avsc"))


def encode(name, records):
    return Codec(contract(name), FolderSchemas()).encode(records)


def distinct(sent, name):
    """Good records of a contract, each event once, by event time."""
    good = {e.body["event_id"]: e.body for e in sent if e.contract == name and not e.fault}
    return sorted(good.values(), key=lambda body: body["event_time"])


def jobs_of(sent):
    """Per work centre: spans (from, until, order, operation) in which a job was active."""
    spans, active = defaultdict(list), {}
    for body in distinct(sent, "MachineState"):
        center = body["work_center"]
        if body["job_event"] in {"START", "RESUME"}:
            active[center] = (body["event_time"], body["order_id"], body["operation"])
        elif body["job_event"] in {"PAUSE", "END"}:
            since, order, operation = active.pop(center)
            spans[center].append((since, body["event_time"], order, operation))
    assert not active
    return spans


def increments(bodies, counter):
    """Readings as increments: the first reading is the baseline, a lower one a reset or a rollover."""
    last = None
    for body in bodies:
        reading = [body[f"quantity_{kind}"] for kind in ("good", "scrap", "rework")]
        if last is not None:
            lift = REGISTER if counter is Counter.ROLLOVER else None
            yield (
                body,
                [
                    now - before if now >= before else now + (lift - before if lift else 0)
                    for now, before in zip(reading, last, strict=True)
                ],
            )
        last = reading


def test_a_seed_gives_the_same_day_again():
    one, two = (list(Plant(3, START, 3, 0.2).stream()) for _ in range(2))
    assert one == two
    assert one != list(Plant(4, START, 3, 0.2).stream())


def test_records_arrive_in_order_of_arrival_and_never_before_they_happened(sent):
    assert all(a.at <= b.at for a, b in itertools.pairwise(sent))
    good = [e for e in sent if e.contract in {"MachineCycle", "MachineState", "OperationReport"} and not e.fault]
    assert all(e.at > e.body["event_time"] for e in good)
    assert all(e.at - e.body["event_time"] < timedelta(hours=2) for e in good)


def test_topics_and_keys_are_those_of_the_contracts(sent):
    for name, topic in TOPICS.items():
        schema = schema_of(name)
        assert schema["topic"] == topic
        assert {e.key == e.body[schema["key"]] for e in sent if e.contract == name} == {True}


def test_the_day_has_the_promised_size_and_variety(plant, sent):
    assert 24 <= len(plant.orders) <= 40
    assert {len(order.jobs) for order in plant.orders} == {1, 2, 3}
    profiles = {(row.count_source, row.time_source) for row in plant.truth.operations.values()}
    assert profiles == {("MACHINE", "MACHINE"), ("OPERATOR", "MACHINE"), ("OPERATOR", "OPERATOR")}
    assert {row.unit for row in plant.truth.operations.values()} == {"C62", "KGM"}
    assert {row.is_final for row in plant.truth.operations.values()} == {True, False}
    assert any(row.over_delivery for row in plant.truth.operations.values())
    assert {e.fault for e in sent} == {None, *Fault}
    assert {e.body["unit"] for e in sent if e.contract == "MachineCycle"} == {"C62", "DZN"}


def test_every_record_sent_is_counted_as_event_duplicate_or_reject(plant, sent):
    for topic, counts in plant.truth.topics.items():
        records = [e for e in sent if e.topic == topic]
        ids = {e.body["event_id"] for e in records if not e.fault}
        assert counts.records == len(records)
        assert counts.events == len(ids)
        assert counts.rejects == Tally(e.fault for e in records if e.fault)


def test_reports_summed_per_operation_are_the_operators_truth(plant, sent):
    good, times = defaultdict(Decimal), defaultdict(Decimal)
    for body in distinct(sent, "OperationReport"):
        key = (body["order_id"], body["operation"])
        good[key] += body["quantity_yield"]
        times[key] += body["setup_time"] + body["machine_time"] + body["labour_time"]
    for key, row in plant.truth.operations.items():
        kept = row.times["OPERATOR"]
        assert good[key] == row.counts["OPERATOR"].good
        assert times[key] == kept.setup + kept.machine + kept.labour


def test_machine_counts_attributed_to_the_active_job_are_the_machines_truth(plant, sent):
    spans, cycles = jobs_of(sent), defaultdict(list)
    for body in distinct(sent, "MachineCycle"):
        cycles[body["work_center"]].append(body)
    made = defaultdict(lambda: [Decimal(0)] * 3)
    reasons = defaultdict(Decimal)
    articles = {(job.order_id, job.operation): job.article for order in plant.orders for job in order.jobs}
    for name, bodies in cycles.items():
        counter = CENTERS[name].counter
        plain = ((b, [b["quantity_good"], b["quantity_scrap"], b["quantity_rework"]]) for b in bodies)
        for body, added in plain if counter is Counter.DELTA else increments(bodies, counter):
            (key,) = [(o, p) for since, until, o, p in spans[name] if since < body["event_time"] < until]
            assert body["order_id"] in {None, key[0]}
            pieces = [articles[key].in_order_unit(value, body["unit"]) for value in added]
            made[key] = [a + b for a, b in zip(made[key], pieces, strict=True)]
            reasons[(*key, body["scrap_reason"] or "")] += pieces[1]
    for key, row in plant.truth.operations.items():
        count = row.counts["MACHINE"]
        assert made[key] == [count.good, sum(count.scrap.values()), count.rework]
        assert {r: reasons[(*key, r)] for r in count.scrap} == count.scrap


def test_counters_start_again_within_the_day_each_in_its_own_way(sent):
    """The first of them at a register's end, the others near zero after a power loss."""
    seen = defaultdict(list)
    for body in distinct(sent, "MachineCycle"):
        seen[body["work_center"]].append(body["quantity_good"])
    lower = {
        name: [pair for pair in itertools.pairwise(readings) if pair[1] < pair[0]] for name, readings in seen.items()
    }
    for name, center in CENTERS.items():
        if center.counter is Counter.ROLLOVER:
            ((before, after),) = lower[name]
            assert REGISTER - 5 < before < REGISTER
            assert after < 5
        elif center.counter is Counter.RESET:
            assert len(lower[name]) > 3
            assert all(after < 5 for _, after in lower[name])


def test_state_durations_while_a_job_is_active_are_the_times_truth(plant, sent):
    states = defaultdict(list)
    for body in distinct(sent, "MachineState"):
        if body["state"] != "UNCHANGED":
            states[body["work_center"]].append(body)
    seconds = defaultdict(Decimal)
    for name, spans in jobs_of(sent).items():
        for (since, until, order, operation), (now, after) in itertools.product(
            spans, itertools.pairwise(states[name])
        ):
            overlap = min(until, after["event_time"]) - max(since, now["event_time"])
            if overlap > timedelta(0):
                exact = Decimal(overlap // timedelta(milliseconds=1)) / 1000
                seconds[order, operation, now["state"]] += exact
    for key, row in plant.truth.operations.items():
        assert seconds[(*key, "PRODUCTION")] == row.times["MACHINE"].machine
        assert seconds[(*key, "SETUP")] == row.times["MACHINE"].setup


def test_final_operations_reached_their_newest_target_or_were_declared_complete(plant, sent):
    orders = {}
    for body in distinct(sent, "WorkOrder"):
        orders[body["order_id"]] = max(orders.get(body["order_id"], body), body, key=lambda b: b["version"])
    declared = {
        (b["order_id"], b["operation"])
        for name in ("MachineState", "OperationReport")
        for b in distinct(sent, name)
        if b["completed"]
    }
    for (order, operation), row in plant.truth.operations.items():
        (planned,) = [o for o in orders[order]["operations"] if o["operation"] == operation]
        reached = planned["auto_final"] and row.counts[row.count_source].good >= planned["target_quantity"]
        assert row.is_final == (reached or (order, operation) in declared)


def test_sequences_rise_by_one_but_for_the_numbers_named_as_lost(plant, sent):
    for name in ("MachineCycle", "MachineState"):
        numbers = defaultdict(list)
        for body in distinct(sent, name):
            numbers[body["source"]].append(body["sequence"])
        for source, seen in numbers.items():
            center = CENTERS.get(source)
            if center and not center.numbered:
                assert set(seen) == {None}
                continue
            wrap = center.modulus if center else None
            steps = [(b - a) % wrap if wrap else b - a for a, b in itertools.pairwise(seen)]
            lost = plant.truth.missing_sequences.get(source, []) if name == "MachineCycle" else []
            assert sum(steps) == len(steps) + len(lost)


def test_a_source_whose_numbers_wrap_is_displaced_by_less_than_half_the_modulus(sent):
    """Beyond half of it nobody could tell an old number from a new one."""
    for name in (name for name, center in CENTERS.items() if center.modulus):
        newest, place = 0, {}
        events = [e for e in sent if e.key == name and e.contract == "MachineCycle" and not e.fault]
        for index, body in enumerate(distinct(events, "MachineCycle")):
            place[body["event_id"]] = index
        for emission in events:
            index = place[emission.body["event_id"]]
            assert newest - index < 128
            newest = max(newest, index)


def test_the_unknown_order_is_never_released_and_late_ones_come_after_their_first_event(plant, sent):
    released = {}
    for e in sent:
        if e.contract == "WorkOrder":
            released.setdefault(e.key, e.at)
    (unknown,) = plant.truth.unknown_orders
    assert unknown not in released
    assert plant.truth.unknown_orders[unknown] > 0
    late = [o.order_id for o in plant.orders if o.known and released[o.order_id] > o.first_event]
    assert sorted(late) == plant.truth.late_orders
    assert len(late) == 3


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_the_codec_refuses_each_broken_record_for_the_reason_expected_and_no_other(sent, name):
    codec = Codec(contract(name), FolderSchemas())
    pairs = [(e, value) for e, value in to_wire(sent, encode) if e.topic == codec.contract.topic]
    numbers = np.arange(len(pairs))
    values = [value for _, value in pairs]
    batch = RawBatch(codec.contract.topic, values, np.zeros(len(pairs), np.int32), numbers, numbers)
    refused = {reject.row: reject.reason for reject in codec.decode(batch).rejects}
    sound = (None, Fault.FUTURE)  # refused later, for its time
    assert refused == {i: e.fault for i, (e, _) in enumerate(pairs) if e.fault not in sound}


def test_a_whole_day_stays_well_below_what_the_embedded_broker_keeps():
    """5 MiB in each of four partitions, keyed by CRC-32 as librdkafka does; 70 bytes for a record's frame."""
    sizes = defaultdict(int)
    for emission, value in to_wire(list(Plant(1, START).stream()), encode):
        sizes[emission.topic, zlib.crc32(emission.key.encode()) % 4] += len(value) + 70
    assert max(sizes.values()) < 3 * 2**20


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([2, 3, 6]))
def test_any_seed_makes_a_day_whose_quantities_fit_three_decimals(seed, hours):
    """What an ERP keeps of a quantity; so nothing may be lost to its rounding."""
    plant = Plant(seed, START, hours, 0.2)
    for row in plant.truth.as_json()["operations"]:
        for value in (row["yield"], row["rework"], row["machine_time"], *row["scrap"].values()):
            assert Decimal(value) == round(Decimal(value), 3)


def test_jsonl_has_a_line_per_record(tmp_path: Path, sent):
    some: list[Emission] = [*sent[:60], *(e for e in sent if e.fault is Fault.GARBAGE)]
    counts = write_jsonl(some, tmp_path)
    assert sum(counts.values()) == len(some)
    assert {p.stem: len(p.read_text().splitlines()) for p in tmp_path.iterdir()} == counts
