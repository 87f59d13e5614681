"""Reference data from compacted topics: one lane for all of them, and a plain read to the end.

Delivery: exactly-once into the flow's state; a version that comes again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from millrace.errors import Misconfigured
from millrace.failpoints import hit
from millrace.shutdown import draining
from operators.reference_lane import ReferenceLane, ReferenceOutput
from schemas.codec import Codec
from sources.kafka import partition_counts
from sources.kafka_reader import KafkaReader, ReaderConfig
from sources.pace import Pace
from sources.waiting import Waiting


class ReferencePartition(StatefulSourcePartition[ReferenceOutput, dict[str, Any]]):
    """The reader of all reference topics."""

    def __init__(self, lane: ReferenceLane, reader: KafkaReader, pace: Pace) -> None:
        self._lane, self._reader, self._pace = lane, reader, pace
        self._waiting = Waiting()

    def next_batch(self) -> list[ReferenceOutput]:
        """One poll; a registry outage keeps the batch for later."""
        if draining.is_set():
            raise StopIteration
        return self._waiting.through(self._waiting.or_else(self._reader.poll), self._lane.process)

    def next_awake(self) -> datetime | None:
        """At once while there is a backlog, else with all other partitions."""
        return None if self._reader.behind() and not self._waiting else self._pace.next_tick()

    def snapshot(self) -> dict[str, Any]:
        """Offsets and known profiles."""
        hit("reference.before_snapshot")
        return {"positions": self._waiting.before(self._reader.positions), "lane": self._lane.snapshot()}

    def close(self) -> None:
        """The flow has ended."""
        self._reader.close()


class KafkaReference(FixedPartitionedSource[ReferenceOutput, dict[str, Any]]):
    """Source of orders and materials.

    Args:
        config: How to read.
        topics: Compacted topics.
        pace: When to poll.
        build: Makes the rules.
    """

    def __init__(
        self, config: ReaderConfig, topics: Sequence[str], pace: Pace, build: Callable[[], ReferenceLane]
    ) -> None:
        self._config, self._topics, self._pace, self._build = config, topics, pace, build

    def list_parts(self) -> list[str]:
        """One lane: reference data is little."""
        return ["reference"]

    def build_part(self, _step_id: str, _for_part: str, resume_state: dict[str, Any] | None) -> ReferencePartition:
        """Open it, fresh or from its snapshot."""
        known = resume_state["positions"] if resume_state else {}
        counts = partition_counts(self._config.client, self._topics)
        places = {(t, p): known.get((t, p)) for t, count in counts.items() for p in range(count)}
        lane = self._build()
        lane.restore(resume_state["lane"] if resume_state else None)
        return ReferencePartition(lane, KafkaReader(self._config, places), self._pace)


def read_all(client: Mapping[str, str], topic: str, codec: Codec, patience: float = 30.0) -> list[dict[str, Any]]:
    """All records of a small topic, up to its end as of now.

    Raises:
        Misconfigured: A record can't be read, or the end is not reached in time.
    """
    places = {(topic, number): None for number in range(partition_counts(client, [topic])[topic])}
    hasty = {**client, "fetch.wait.max.ms": "5"}  # where an empty partition ends is told with its first answer
    reader = KafkaReader(ReaderConfig(hasty, group="millrace-reference", idle_after=0.0), places)
    deadline = time.monotonic() + patience
    records: list[dict[str, Any]] = []
    try:
        while reader.idle() != set(places):
            if time.monotonic() > deadline:
                raise Misconfigured(f"topic {topic}: its end was not reached in {patience:.0f} s")
            for batch in reader.poll():
                decoded = codec.decode(batch)
                for reject in decoded.rejects:
                    if reject.reason != "tombstone":
                        where = f"{topic}/{batch.partitions[reject.row]}/{batch.offsets[reject.row]}"
                        raise Misconfigured(f"{where}: {reject.reason}: {reject.detail}")
                records += decoded.frame.to_dicts()
            time.sleep(0.02)
    finally:
        reader.close()
    return records
