"""Kafka as lanes: few consumers for many partitions, resumed from the flow's own snapshots.

Delivery: exactly-once into the flow's state (offsets, de-duplication and history of a lane are one snapshot). After
a kill at most one epoch is read again. Offsets are also committed to the group, one epoch late, for lag tools.

An epoch is what all lanes read between two activations (see `pace`): a moment's worth of records, or as much of a
backlog as half the pace allows and the flow has worked off within seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import KafkaError, KafkaException

from millrace.errors import Misconfigured, NoRoom
from millrace.failpoints import hit
from millrace.health import health
from millrace.kafka_login import START_WAIT_S
from millrace.metrics.flow import HISTORY_DURABLE
from millrace.shutdown import draining
from operators.lane import Lane, LaneOutput
from sources.kafka_reader import KafkaReader, Place, ReaderConfig
from sources.kafka_refusal import Refusals
from sources.pace import Pace, Portion
from sources.waiting import Waiting

OUTAGE_PAUSE = timedelta(seconds=2)
#: How long a poll of a backlog waits for a full batch.
FILL_S = 0.05
IDLE_FLOOR_S = 86_400
#: A topic that was just made is known to every broker within moments.
ABSENT_S = 5.0


class KafkaLane(StatefulSourcePartition[LaneOutput, dict[str, Any]]):
    """One lane: a consumer, the lane's rules and their common snapshot."""

    def __init__(
        self,
        lane: Lane,
        reader: KafkaReader,
        idle_after: float,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lane, self._reader, self._idle_after, self._pace = lane, reader, idle_after, pace
        self._waiting, self._portion = Waiting(), Portion(pace, clock)
        self._durable: Mapping[Place, int] = {}

    def next_batch(self) -> list[LaneOutput]:
        """What there is to read, through the lane; a registry outage, or a full spool, keeps a batch for later."""
        if draining.is_set():
            raise StopIteration  # a batch that waits for the registry is read again: the snapshot stands before it
        self._portion.begin()
        outputs = self._round()
        while (more := self._backlog()) and self._portion.lasts() and not draining.is_set():
            outputs += self._round()
        self._portion.end(backlog=more)
        outputs.append(self._lane.heartbeat(self._idle()))
        return outputs

    def _round(self) -> list[LaneOutput]:
        """One poll."""
        batches = self._waiting.or_else(lambda: self._reader.poll(FILL_S if self._reader.behind() else 0.0))
        outputs = self._waiting.through(batches, self._lane.process)
        if self._waiting.why is None:
            if batches:
                health.goes_on("registry")
        elif not isinstance(self._waiting.why, NoRoom):
            health.waits("registry", blocks=False)
        self._reader.align(self._lane.progress)
        return outputs

    @property
    def unread(self) -> int:
        """Records that the log holds and that were not read yet, as of the last poll."""
        return self._reader.unread

    def _backlog(self) -> bool:
        return not self._waiting and self._reader.behind()

    def _idle(self) -> dict[str, int]:
        """Idle partitions with the time that their silence stands for: wall clock less the idle time."""
        now = time.time()
        floor = int((now - self._idle_after) * 1_000_000)
        places = [f"{topic}/{partition}" for topic, partition in self._reader.idle() - self._waiting.places]
        for place in places:
            self._lane.idle_floor(place, int((now - IDLE_FLOOR_S) * 1_000_000))
        return dict.fromkeys(places, floor)

    def next_awake(self) -> datetime | None:
        """At once while there is a backlog, else with all other partitions."""
        if self._waiting:
            return datetime.now(UTC) + OUTAGE_PAUSE
        return None if self._reader.behind() else self._pace.next_tick()

    def snapshot(self) -> dict[str, Any]:
        """Offsets and lane state; history is durable when this returns."""
        hit("lane.before_snapshot")
        positions = self._waiting.before(self._reader.positions)
        state = {"positions": positions, "lane": self._lane.snapshot()}
        if self._lane.history is not None:
            HISTORY_DURABLE.labels(health.name, self._lane.name).set_to_current_time()
        self._reader.commit(self._durable)
        self._durable = positions
        hit("lane.after_snapshot")
        return state

    def close(self) -> None:
        """The flow has ended."""
        self._reader.commit(self._durable)
        self._reader.close()


class KafkaLanes(FixedPartitionedSource[LaneOutput, dict[str, Any]]):
    """Source of a flow: partitions of its topics, dealt out to a fixed number of lanes by partition number.

    Equal partition numbers of all topics share a lane, since records of one machine are keyed alike in all.

    Args:
        config: How to read.
        topics: Topics of the flow.
        lanes: Number of lanes; part of the state's layout.
        pace: When to poll.
        build: Makes the rules of a lane by its name.
    """

    def __init__(
        self, config: ReaderConfig, topics: Sequence[str], lanes: int, pace: Pace, build: Callable[[str], Lane]
    ) -> None:
        self._config, self._topics, self._lanes, self._pace, self._build = config, topics, lanes, pace, build

    def list_parts(self) -> list[str]:
        """Names of the lanes."""
        return lane_names(self._lanes)

    def build_part(self, _step_id: str, for_part: str, resume_state: dict[str, Any] | None) -> KafkaLane:
        """Open a lane, fresh or from its snapshot."""
        index = self.list_parts().index(for_part)
        known = resume_state["positions"] if resume_state else {}
        counts = partition_counts(self._config.client, self._topics)
        places = {
            (topic, p): known.get((topic, p))
            for topic, count in counts.items()
            for p in range(count)
            if p % self._lanes == index
        }
        lane = self._build(for_part)
        lane.restore(resume_state["lane"] if resume_state else None)
        lane.expect(f"{topic}/{partition}" for topic, partition in places)
        return KafkaLane(lane, KafkaReader(self._config, places), self._config.idle_after, self._pace)


def lane_names(lanes: int) -> list[str]:
    """Names of a source's lanes."""
    return [f"lane-{index:02d}" for index in range(lanes)]


def partition_counts(client: Mapping[str, str], topics: Sequence[str], patience: float | None = None) -> dict[str, int]:
    """Partitions per topic; waits for a broker that is down, and a moment for a topic that was just made.

    Raises:
        Misconfigured: A topic does not exist, we may not see it, no broker answered in `patience` seconds (those of
            the settings where none are given), or it does not let us in.
    """
    refusals = Refusals(client)
    admin = refusals.admin()
    patience = getattr(client, "start_wait_s", START_WAIT_S) if patience is None else patience
    begun = answered = time.monotonic()
    while True:
        try:
            found = {
                name: admin.list_topics(name, timeout=max(0.1, min(5.0, patience))).topics[name] for name in topics
            }
        except KafkaException as error:
            admin.poll(0)
            refusals.check()
            answered = time.monotonic()
            if answered > begun + patience:
                raise Misconfigured(f"no Kafka broker at {client['bootstrap.servers']}: {error}") from error
            continue
        _refuse_hidden(client, found)
        missing = [name for name, topic in found.items() if topic.error is not None or not topic.partitions]
        if not missing:
            return {name: len(topic.partitions) for name, topic in found.items()}
        if time.monotonic() > answered + min(patience, _until_known(found[missing[0]])):
            raise Misconfigured(f"topic {missing[0]} does not exist at {client['bootstrap.servers']}")
        time.sleep(0.2)


def _until_known(topic: Any) -> float:
    """Seconds to wait for a topic: one that a broker does not know at all is soon known to it, or is not there."""
    unknown = topic.error is not None and topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    return ABSENT_S if unknown else START_WAIT_S


def _refuse_hidden(client: Mapping[str, str], topics: Mapping[str, Any]) -> None:
    for name, topic in topics.items():
        if topic.error is not None and topic.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            who = client.get("sasl.username") or "this client"
            raise Misconfigured(f"{who} has no right to topic {name} at {client['bootstrap.servers']}")
