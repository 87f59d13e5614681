"""The embedded broker: librdkafka's own test broker, which other processes can reach over TCP.

It speaks the Kafka protocol with groups and commits, so that the demo and fast tests need no Java. What it is
not:

- it keeps records in memory only, at most 5 MiB per partition; the oldest go first, so a reader that falls
  further behind meets an out-of-range offset;
- every topic has 4 partitions and comes into being when it is first asked for; its settings (compaction,
  retention) cannot be chosen;
- it has no CreateTopics, no offsets for times, no transactions and no read-committed readers.

So a feature is never tried on this broker alone (tests/servers/kafka.py starts a real one).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import Producer

PARTITIONS = 4
BYTES_PER_PARTITION = 5 * 1024 * 1024


class EmbeddedBroker:
    """Context manager: one broker inside this process; others on this machine reach it while it is open."""

    def __init__(self) -> None:
        # The broker lives in a client handle and ends with it; the address asked for is never used.
        self._handle = Producer({"bootstrap.servers": "embedded", "test.mock.num.brokers": 1})
        broker = next(iter(self._handle.list_topics(timeout=10).brokers.values()))
        self.bootstrap = f"{broker.host}:{broker.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create_topics(self, names: Iterable[str]) -> None:
        """Make topics exist before a reader asks; each has 4 partitions."""
        for name in names:
            self._handle.list_topics(name, timeout=10)

    def close(self) -> None:
        """End the broker; its records are gone."""
        self._handle.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; the address stands on standard output and in the port file."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.broker", description="Embedded Kafka-protocol broker")
    parser.add_argument("--port-file", type=Path, help="file to write host:port to, once clients can connect")
    parser.add_argument("--topic", action="append", default=[], help="topic to create at start; may be repeated")
    options = parser.parse_args(arguments)
    # Blocked before the broker's threads exist, so that none of them takes the signal.
    endings = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)
    with EmbeddedBroker() as broker:
        broker.create_topics(options.topic)
        sys.stdout.write(f"{broker.bootstrap}\n")
        sys.stdout.flush()
        if options.port_file:
            _publish(options.port_file, broker.bootstrap)
        signal.sigwait(endings)


def _publish(file: Path, address: str) -> None:
    """Write under another name first: who sees the file sees the whole address."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(address)
    draft.rename(file)


if __name__ == "__main__":
    main()
