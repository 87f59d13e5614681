"""A replay that takes master data from compacted topics of a real broker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import MillraceError
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.flows import replay_case, replay_stock_case
from tests.flows.stock_records import material
from tests.flows.test_replay_cli import _own_signals  # noqa: F401 - a fixture
from tests.servers import Kafka

pytestmark = pytest.mark.server
#: Stock knows no shifts.
CALENDARS = {"confirmations": ("ShiftCalendar",), "replenishment": ()}
_numbers = count(1)


@pytest.fixture
def topics(kafka: Kafka) -> dict[str, str]:
    """Empty topics of master data."""
    prefix = f"replayed-master{next(_numbers)}"
    names = ("WorkOrder", "Material", "ShiftCalendar")
    return {name: kafka.create_topic(f"{prefix}.{contract(name).topic}", 2) for name in names}


def send(kafka: Kafka, topic: str, name: str, records: Sequence[Mapping[str, Any]]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for record, value in zip(records, Codec(contract(name), FolderSchemas()).encode(records), strict=True):
        producer.produce(topic, value, key=str(record["source"]))
    assert producer.flush(30) == 0


def changes(folder: Path, kafka: Kafka, topics: Mapping[str, str], flow: str, settings: Any) -> list[dict[str, Any]]:
    """What `millrace replay --dry-run` counts, with master data of the topics alone."""
    plain = settings.model_dump(mode="json", exclude_defaults=True)
    known = {name: topic for name, topic in topics.items() if name in (*settings.references, *CALENDARS[flow])}
    config = folder / "flow.yaml"
    config.write_text(json.dumps({**plain, "kafka": {"bootstrap": kafka.bootstrap}, "topics": known}))
    given = ["replay", flow, "--config", str(config), "--out", str(folder / "out"), "--dry-run", "--json"]
    result = CliRunner().invoke(app, given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    found: list[dict[str, Any]] = json.loads(result.stdout[result.stdout.index("{\n") :])["changes"]
    return found


def test_the_newest_order_of_the_topic_counts(kafka: Kafka, topics: dict[str, str], tmp_path: Path) -> None:
    settings = replay_case.settings(tmp_path)
    replay_case.run_flow(tmp_path, replay_case.records(6, 8), settings)
    orders = replay_case.known_orders()
    send(kafka, topics["WorkOrder"], "WorkOrder", orders)
    assert changes(tmp_path, kafka, topics, "confirmations", settings) == []
    send(kafka, topics["WorkOrder"], "WorkOrder", [{**orders[0], "version": 2, "material": "M9"}])
    found = changes(tmp_path, kafka, topics, "confirmations", settings)
    assert {(each["change"], each["why"], each["held"]) for each in found} == {("changed", "master_data", None)}


def test_requests_are_replayed_with_the_materials_of_the_topic(
    kafka: Kafka, topics: dict[str, str], tmp_path: Path
) -> None:
    settings = replay_stock_case.settings(tmp_path)
    replay_stock_case.run_flow(tmp_path, replay_stock_case.plant(7)[:80], settings)
    send(kafka, topics["Material"], "Material", [material("BRASS")])
    gone = changes(tmp_path, kafka, topics, "replenishment", settings)
    assert {each["change"] for each in gone} == {"withdrawn"}, "negative control: of steel nothing is known"
    send(kafka, topics["Material"], "Material", [material()])
    assert changes(tmp_path, kafka, topics, "replenishment", settings) == []


def test_a_topic_that_is_not_there_is_named(kafka: Kafka, topics: dict[str, str], tmp_path: Path) -> None:
    settings = replay_stock_case.settings(tmp_path)
    with pytest.raises(MillraceError, match="no-such-topic"):
        changes(tmp_path, kafka, {**topics, "Material": "no-such-topic"}, "replenishment", settings)
