"""Records of a topic to a partner's topic, with the fields of its view alone.

Delivery: at least once. How far was forwarded is committed to a group of the partner and its topic after the broker
took the batch; who starts again goes on from there, and repeats at most one batch.

The record is read by the view's schema, so what is left out never becomes a value, and written anew: no byte, key or
header of the original is passed on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import structlog

from millrace.errors import Retriable
from millrace.failpoints import hit
from schemas.batch import RawBatch
from schemas.codec import Codec
from sinks.kafka_records import RecordSender
from sinks.patience import patiently
from sources.kafka import partition_counts
from sources.kafka_progress import ProgressReader

#: A line of the log names so many refused records of a batch.
_NAMED = 20
log = structlog.get_logger("millrace.forward")


class Forwarder:
    """Forwards one topic to one partner.

    Args:
        client: Configuration of the connection; its user reads the one topic and writes the other.
        codec: Reads and writes the view's records.
        topic: Where they come from.
        to: Where they go.
        group: Group that the progress is committed to.

    Raises:
        Misconfigured: A topic does not exist, or the broker refuses us.
    """

    def __init__(self, client: Mapping[str, Any], codec: Codec, topic: str, to: str, group: str) -> None:
        partition_counts(client, [to])
        self._reader = ProgressReader(client, topic, group)
        self._sender = RecordSender(client, to)
        self._codec = codec
        self.forwarded = 0
        self.refused: Counter[str] = Counter()

    def run(self, stop: Callable[[], bool], *, to_end: bool) -> None:
        """Forward until told to stop, or to the end of the topic as of the start.

        Raises:
            Misconfigured: What is to be forwarded is no longer in the log, or the broker or registry refuses us.
            Retriable: Told to stop while the registry is down; the batch under way is repeated by the next run.
            MillraceError: The broker refused a record; nothing was committed for its batch.
        """
        while not stop() and not (to_end and self._reader.at_end()):
            for batch in self._reader.poll():
                self._forward(batch)

    def close(self) -> None:
        """Leave the cluster; nothing is buffered between batches."""
        self._reader.close()

    def _forward(self, batch: RawBatch) -> None:
        frame = self._kept(batch)
        values = patiently(lambda: self._codec.encode_frame(frame), (Retriable,))
        self._sender.send(frame[self._codec.contract.key].cast(pl.String).to_list(), values)
        self.forwarded += len(values)
        hit("forward.before_commit")
        patiently(lambda: self._reader.commit(batch), (Retriable,))

    def _kept(self, batch: RawBatch) -> pl.DataFrame:
        """What keeps the contract; the rest is counted and told, and stays here."""
        decoded = patiently(lambda: self._codec.decode(batch), (Retriable,))
        if decoded.rejects:
            reasons = Counter(each.reason for each in decoded.rejects)
            self.refused += reasons
            rows = [each.row for each in decoded.rejects[:_NAMED]]
            places = [f"{batch.topic}/{batch.partitions[row]}/{batch.offsets[row]}" for row in rows]
            log.warning("records_not_forwarded", reasons=dict(reasons), first=places)
        return decoded.frame
