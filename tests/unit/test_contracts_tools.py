"""New contracts, samples, load, validation and the use of deprecated fields, without a real server."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner, Result

from dataflows.judging import judge_topic
from dataflows.settings import ConfirmationsSettings
from millrace.cli.app import app
from millrace.errors import Misconfigured
from sandbox.broker import EmbeddedBroker
from sandbox.load import emissions, of_now
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import AVRO_FOLDER, Contract, contract, contracts
from schemas.governance.lint import lint_file
from schemas.governance.release_log import releases
from schemas.registry import FolderSchemas
from schemas.samples import sample
from sources.kafka_sample import look


def _cli(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["contracts", *arguments])


# -- new and release


def _folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(AVRO_FOLDER, tmp_path / "avro"))


NEW = ("new", "ToolChange", "--doc", "A tool is changed.", "--owner", "quality")


def test_a_new_contract_is_clean_and_becomes_version_1(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    assert _cli(*NEW, "--folder", str(folder)).exit_code == 0
    assert lint_file(folder / "ToolChange.avsc") == []
    released = _cli("release", "ToolChange", "--change", "First release.", "--folder", str(folder), "--json")
    assert json.loads(released.stdout)["version"] == 1
    assert (folder / "released/ToolChange/1.avsc").read_bytes() == (folder / "ToolChange.avsc").read_bytes()
    assert [each.changes for each in releases("ToolChange", folder)] == [("First release.",)]
    assert _cli("release", "ToolChange", "--change", "x", "--folder", str(folder)).exit_code == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ["new", "quality", "--doc", "x", "--owner", "x"],
        ["new", "Alert", "--doc", "x", "--owner", "x"],
        [*NEW, "--key", "nothing"],
        [*NEW, "--retention", "for-ever"],
        [*NEW, "--producer", "everybody"],
        ["release", "Nothing", "--change", "x"],
    ],
)
def test_wrong_use_leaves_no_file(tmp_path: Path, wrong: list[str]) -> None:
    folder = _folder(tmp_path)
    before = sorted(folder.rglob("*"))
    assert isinstance(_cli(*wrong, "--folder", str(folder)).exception, Misconfigured)
    assert sorted(folder.rglob("*")) == before


def test_a_version_that_lint_or_compatibility_refuse_is_not_released(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    path, before = folder / "Alert.avsc", sorted((folder / "released/Alert").iterdir())
    schema = json.loads(path.read_text())
    next(each for each in schema["fields"] if each["name"] == "message")["type"] = "bytes"
    schema["fields"].append({"name": "qty", "type": ["null", "string"], "default": None, "doc": "X. No unit."})
    path.write_text(json.dumps(schema))
    error = str(_cli("release", "Alert", "--change", "x", "--folder", str(folder)).exception)
    assert "qty" in error
    assert "Alert.message: text and bytes" in error
    assert sorted((folder / "released/Alert").iterdir()) == before


def test_every_released_version_stands_in_the_release_log_with_its_owner() -> None:
    """`millrace contracts release NAME --change ...` writes both."""
    for name in contracts():
        files = [path.stem for path in (AVRO_FOLDER / "released" / name).glob("*.avsc")]
        entries = releases(name)
        assert sorted(map(int, files)) == [each.version for each in entries][: len(files)]
        assert all(each.owner and each.changes for each in entries)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"version": 1}]', r"releases.json:1: date: is missing"),
        ('[{"version": 1,\n"date": "x", "owner": "a", "changes": []}]', r"releases.json:2: date: 'x' is no date"),
        ('[{"version": 2, "date": "2026-01-01", "owner": "a", "changes": []}]', r"version: entries are numbered"),
        ("{}", r"releases.json:1: a release log is a list"),
    ],
)
def test_a_wrong_release_log_is_told_with_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "released/Alert").mkdir(parents=True)
    (tmp_path / "released/Alert/releases.json").write_text(text)
    with pytest.raises(Misconfigured, match=message):
        releases("Alert", tmp_path)


# -- samples


@pytest.mark.parametrize("name", list(contracts()))
def test_samples_of_every_contract_are_valid_by_our_own_judgement(tmp_path: Path, name: str) -> None:
    for form in ("json", "avro"):
        file = tmp_path / f"{name}.{form}"
        assert _cli("sample", name, "--n", "20", "--format", form, "--out", str(file)).exit_code == 0
        judged = _cli("validate", str(file), "--contract", name, "--json")
        assert judged.exit_code == 0, judged.stdout
        assert json.loads(judged.stdout)["accepted"] == 20


def test_what_is_wrong_in_a_file_is_counted_by_reason_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "MachineCycle.jsonl"
    assert _cli("sample", "MachineCycle", "--n", "3", "--out", str(file)).exit_code == 0
    lines = file.read_text().splitlines()
    lines[1] = lines[1].replace('"plant"', '"site"')
    file.write_text("\n".join([*lines, "{"]))
    judged = _cli("validate", str(file), "--json")
    found = json.loads(judged.stdout)
    assert (judged.exit_code, found["read"], found["accepted"], found["dead_letters"]) == (1, 4, 2, 2)
    assert f"{file}:2" in [each["place"] for each in found["first"]]


# -- load


def test_the_plants_numbers_go_on_over_its_runs_and_ids_name_one_event() -> None:
    seen: dict[str, datetime] = {}
    numbers: dict[str, list[int]] = {}
    for each in islice(emissions(["MachineState"], 1, hours=2), 4000):
        assert isinstance(each.body, dict)
        at = seen.setdefault(each.body["event_id"], each.body["event_time"])
        assert each.body["event_time"] == at
        numbers.setdefault(each.body["source"], []).append(each.body["sequence"] or 0)
    counted = [each for each in numbers.values() if max(each) > 10_000_000]
    assert counted
    assert len({event_id.rsplit("-", 1)[1] for event_id in seen}) > 1
    assert all(len(set(each)) > 0.9 * len(each) for each in counted)


def test_records_come_with_times_of_now_and_a_repeat_keeps_its_first() -> None:
    clock = [datetime(2030, 1, 1, tzinfo=UTC)]

    def now() -> datetime:
        clock[0] += timedelta(seconds=1)
        return clock[0]

    times: dict[str, datetime] = {}
    repeats = 0
    for each in islice(of_now(emissions(["MachineCycle"], 1, hours=2), now), 3000):
        assert isinstance(each.body, dict)
        repeats += each.body["event_id"] in times
        at = times.setdefault(each.body["event_id"], each.body["event_time"])
        assert each.body["event_time"] == at
        assert at <= clock[0]
    assert repeats
    assert max(times.values()) > datetime(2030, 1, 1, tzinfo=UTC)


def test_load_on_a_broker_is_taken_validated_and_moves_no_offset() -> None:
    names = ["MachineCycle", "MachineState", "Alert"]
    with EmbeddedBroker() as broker:
        broker.create_topics([contract(name).topic for name in names])
        options = ["--bootstrap", broker.bootstrap, "--json"]
        load = _cli("produce", *names, *options, "--rate", "20000", "--count", "1500", "--seed", "3")
        assert load.exit_code == 0, load.output
        assert sum(json.loads(load.stdout)["taken"].values()) == 1500
        for name in names[:2]:
            judged = _cli("validate", contract(name).topic, *options)
            found = json.loads(judged.stdout)
            assert (judged.exit_code, found["dead_letters"]) == (0, 0), found
            assert found["read"] == json.loads(load.stdout)["taken"][contract(name).topic]
            assert found["accepted"] + found["duplicates"] == found["read"]
        group = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "millrace-look"})
        committed = group.committed([TopicPartition("machine-cycle", p) for p in range(4)], timeout=20)
        group.close()
        assert [each.offset for each in committed] == [-1001] * 4
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        producer.produce("machine-cycle", b"torn", key=b"x")
        producer.flush(10)
        producer.close()
        judged = _cli("validate", "machine-cycle", *options)
        assert (judged.exit_code, json.loads(judged.stdout)["reasons"]) == (1, {"no_prefix": 1})


def test_only_the_newest_records_are_looked_at_when_asked_for() -> None:
    with EmbeddedBroker() as broker:
        broker.create_topics(["t"])
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for number in range(100):
            producer.produce("t", str(number).encode(), partition=number % 4)
        producer.flush(10)
        producer.close()
        client = {"bootstrap.servers": broker.bootstrap}
        newest = [value for batch in look(client, "t", 2) for value in batch.values]
        assert sorted(newest) == sorted(str(n).encode() for n in range(92, 100))
        assert sum(len(batch.values) for batch in look(client, "t", batch=7)) == 100


def test_a_topic_or_broker_that_is_not_there_is_told() -> None:
    with pytest.raises(Misconfigured, match="no Kafka broker"):
        list(look({"bootstrap.servers": "127.0.0.1:9", "log_level": "0"}, "t", patience=0.1))
    assert isinstance(_cli("validate", "machine-cycle").exception, Misconfigured)
    assert isinstance(_cli("validate", "no-such-topic", "--bootstrap", "127.0.0.1:9").exception, Misconfigured)


def batch_of(of: Contract, records: list[dict[str, Any]]) -> RawBatch:
    values = Codec(of, FolderSchemas()).encode(records)
    zeros = np.zeros(len(values), np.int64)
    return RawBatch(of.topic, values, zeros.astype(np.int32), np.arange(len(values)), zeros)


def test_the_judgement_gives_the_reasons_of_the_flow() -> None:
    """A clock ten years ahead is no fault of the bytes: only the flow's own rules find it."""
    of = contract("MachineCycle")
    records = sample(of, 4)
    records[2]["event_time"] += timedelta(days=3650)
    batch = batch_of(of, [*records, records[0]])
    batch.timestamps[:] = int(records[0]["event_time"].timestamp() * 1000)
    verdict = judge_topic("MachineCycle", [batch], FolderSchemas(), ConfirmationsSettings())
    assert (verdict.read, verdict.accepted, verdict.duplicates) == (5, 3, 1)
    assert verdict.reasons == {"future_event_time": 1}
