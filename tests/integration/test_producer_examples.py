"""The three ways to produce, against a real broker and a real registry, read by the confirmations flow."""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from millrace.producer import Producer
from schemas.contracts import contract
from schemas.registry import RegistrySchemas
from tests.integration.flow_process import BEGIN, FlowProcess
from tests.integration.test_producer_crash import accepted, decoded, records
from tests.producing import cycle
from tests.servers import Kafka, Registry, ServersUnavailable
from tests.servers.producers import EXAMPLES, java_command, node_command

pytestmark = pytest.mark.server
Example = Callable[[str, Path], subprocess.CompletedProcess[str]]
LANGUAGES = {"node": node_command, "java": java_command}
REFUSALS = {
    "node": "0.0000001 is no decimal of at most 6 places",
    "java": "Cannot encode decimal with scale 7 as scale 6",
}


def prepared(language: str) -> list[str]:
    """Command of an example; in CI what it needs must be there."""
    try:
        return LANGUAGES[language]()
    except ServersUnavailable as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))


@pytest.fixture
def schemas(registry: Registry) -> Iterator[RegistrySchemas]:
    source = RegistrySchemas(registry.url)
    yield source
    source.close()


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def example(language: str, kafka: Kafka, registry: Registry) -> Example:
    command = prepared(language)
    # Java's serialiser speaks the registry's own interface, Node's the Confluent-compatible one.
    url = registry.url if language == "node" else registry.url.replace("ccompat/v7", "registry/v2")

    def run(topic: str, outbox: Path) -> subprocess.CompletedProcess[str]:
        arguments = [kafka.bootstrap, url, topic, str(outbox)]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)

    return run


def outbox(path: Path, source: str, order_id: str, goods: Sequence[str]) -> Path:
    """An outbox with a row per second."""
    with (EXAMPLES / "cycles.csv").open() as file:
        names = next(csv.reader(file))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for number, good in enumerate(goods, start=1):
            when = (BEGIN + timedelta(seconds=number, microseconds=250)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            writer.writerow([number, when, "P1", source, "WC", order_id, "0010", good, "0"])
    return path


def test_the_example_is_read_as_it_was_written_and_keyed_by_source(
    language: str, example: Example, kafka: Kafka, schemas: RegistrySchemas, tmp_path: Path
) -> None:
    """Sent twice, as after a crash: every value arrives exactly, and each event counts once."""
    topic = kafka.create_topic(f"example-{language}", 3)
    schemas.id_for(f"{topic}-value", contract("MachineCycle").schema)
    goods = ["1", "0.000001", "12.5", "999999999999.999999", "0"]
    rows = outbox(tmp_path / "outbox.csv", "M1", "O1", goods)
    for _ in range(2):
        done = example(topic, rows)
        assert (done.returncode, done.stdout) == (0, f"5 cycles are in {topic}\n"), done.stderr
    messages = records(kafka.bootstrap, topic, 3)
    assert len(messages) == 10
    assert {message.key() for message in messages} == {b"M1"}
    with Producer(
        {"bootstrap.servers": kafka.bootstrap}, tmp_path / "buffer", schemas=schemas, topics={"MachineCycle": topic}
    ) as kit:
        kit.send(cycle(6))
    messages = records(kafka.bootstrap, topic, 3)
    assert len({message.partition() for message in messages}) == 1, "all languages partition alike"
    frame = decoded(messages[:10], schemas)
    counted, dedupe = accepted(frame)
    assert counted["sequence"].to_list() == [1, 2, 3, 4, 5]
    assert counted["event_id"].to_list() == [f"M1-{number}" for number in range(1, 6)]
    assert counted["quantity_good"].to_list() == [Decimal(good).quantize(Decimal("0.000001")) for good in goods]
    assert counted["event_time"][0] == BEGIN + timedelta(seconds=1, microseconds=250)
    assert dedupe.sequences.missing() == []


def test_a_quantity_with_more_places_than_the_contract_has_is_refused_by_the_example(
    language: str, example: Example, kafka: Kafka, schemas: RegistrySchemas, tmp_path: Path
) -> None:
    topic = kafka.create_topic(f"refused-{language}")
    schemas.id_for(f"{topic}-value", contract("MachineCycle").schema)
    done = example(topic, outbox(tmp_path / "outbox.csv", "M1", "O1", ["0.0000001"]))
    assert done.returncode != 0
    assert REFUSALS[language] in done.stderr
    assert records(kafka.bootstrap, topic, 1) == []


def test_the_example_writes_nothing_under_a_schema_that_is_not_registered(
    language: str, example: Example, kafka: Kafka, tmp_path: Path
) -> None:
    topic = kafka.create_topic(f"unregistered-{language}")
    done = example(topic, outbox(tmp_path / "outbox.csv", "M1", "O1", ["1"]))
    assert done.returncode != 0
    assert f"{topic}-value" in done.stderr
    assert records(kafka.bootstrap, topic, 1) == []


def test_the_flow_books_what_all_three_send(
    kafka: Kafka, registry: Registry, schemas: RegistrySchemas, tmp_path: Path
) -> None:
    commands = {name: prepared(name) for name in LANGUAGES}
    flow = FlowProcess(kafka, tmp_path, "produced", registry={"url": registry.url})
    try:
        topic = flow.topics["MachineCycle"]
        schemas.id_for(f"{topic}-value", contract("MachineCycle").schema)
        flow.release("O-python", "O-node", "O-java", schemas=schemas)
        for name, command in commands.items():
            rows = outbox(tmp_path / f"{name}.csv", name, f"O-{name}", ["1"] * 50)
            url = registry.url if name == "node" else registry.url.replace("ccompat/v7", "registry/v2")
            arguments = [kafka.bootstrap, url, topic, str(rows)]
            subprocess.run([*command, *arguments], capture_output=True, timeout=120, check=True)
        client, topics = {"bootstrap.servers": kafka.bootstrap}, {"MachineCycle": topic}
        with Producer(client, tmp_path / "buffer", schemas=schemas, topics=topics) as kit:
            kit.send(*(cycle(number, "python", "O-python", BEGIN) for number in range(1, 51)))
        flow.start()
        flow.wait(lambda: flow.totals() == {"O-python": 50, "O-node": 50, "O-java": 50}, "all three")
        assert flow.drain() == [0]
        assert flow.dead_letters() == {}
        assert flow.read() == 150
    finally:
        flow.close()
