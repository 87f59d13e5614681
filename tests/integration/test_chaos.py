"""The crash test on a real broker, and the proof that it notices when a safeguard is off."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.broker import EmbeddedBroker
from sandbox.plant_layout import TOPICS
from tests.chaos.__main__ import PARTITIONS
from tests.chaos.verdict import Verdict, explain
from tests.chaos.world import Options, World
from tests.servers import Kafka

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
KILLS = 20
ONE_PROCESS: dict[str, Any] = {"seed": 5, "hours": 3.0, "sizes": (1,)}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def crash(folder: Path, bootstrap: str, **options: Any) -> Verdict:
    return World(Options(folder, bootstrap, **options), say).live()


@pytest.fixture
def embedded() -> Iterator[str]:
    with EmbeddedBroker() as broker:
        broker.create_topics(TOPICS.values())
        yield broker.bootstrap


@pytest.mark.server
def test_after_twenty_kills_every_piece_is_booked_once(tmp_path: Path, own_kafka: Kafka) -> None:
    for topic in TOPICS.values():
        own_kafka.create_topic(topic, PARTITIONS)
    folder = tmp_path / "world"
    folder.mkdir()
    world = World(Options(folder, own_kafka.bootstrap, KILLS, seed=20), say)
    verdict = world.live()
    assert verdict.exact, [verdict, *explain(folder)]
    assert world.fates.done == KILLS
    assert world.fates.at_points.total() > 0
    assert world.drains > 1, "the number of processes never changed"


def test_a_run_of_all_safeguards_on_one_process_is_exact(tmp_path: Path, embedded: str) -> None:
    """What the negative controls differ from."""
    verdict = crash(tmp_path, embedded, kills=3, **ONE_PROCESS)
    assert verdict.exact, [verdict, *explain(tmp_path)]


def test_without_deduplication_pieces_are_doubled(tmp_path: Path, embedded: str) -> None:
    flow = ("-m", "tests.chaos.broken", "without-deduplication")
    verdict = crash(tmp_path, embedded, kills=1, flow=flow, mortals=("flow",), **ONE_PROCESS)
    assert verdict.doubled > 0


def test_with_a_running_number_as_revision_pieces_are_lost(tmp_path: Path) -> None:
    """The number begins anew with the process, so the ledger takes later totals for older ones.

    It takes a total that is revised on both sides of a kill; where the first run's kills meet none, the next one's do.
    (tests/flows has the same control without chance.)
    """
    flow = ("-m", "tests.chaos.broken", "running-revisions")
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with EmbeddedBroker() as broker:
            broker.create_topics(TOPICS.values())
            options = {**ONE_PROCESS, "seed": ONE_PROCESS["seed"] + attempt}
            verdict = crash(folder, broker.bootstrap, kills=6, flow=flow, mortals=("flow",), **options)
        if verdict.lost > 0:
            return
    pytest.fail("no kill fell between two revisions of one total in three runs")


def test_without_the_look_up_what_the_erp_booked_unheard_is_booked_again(tmp_path: Path, embedded: str) -> None:
    poster = ("-m", "tests.chaos.broken", "without-lookup")
    faults = ("lose_answer",)
    verdict = crash(tmp_path, embedded, kills=3, poster=poster, mortals=("poster",), faults=faults, **ONE_PROCESS)
    assert verdict.doubled > 0
