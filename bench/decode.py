"""Reading and decoding only: polls as the flow's reader does, decodes with the codec, drops the frames."""

from __future__ import annotations

import time

from bench.process import Result, command_line, cpu_seconds, peak_rss_mib
from dataflows.run import tune
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from sources.kafka import partition_counts
from sources.kafka_reader import KafkaReader, ReaderConfig


def measure(bootstrap: str, topic: str, n: int) -> Result:
    """Decode `n` records; start-up is not counted."""
    tune()
    client = {"bootstrap.servers": bootstrap}
    codec = Codec(contract("MachineCycle"), FolderSchemas())
    places = {(topic, number): None for number in range(partition_counts(client, [topic])[topic])}
    cpu = cpu_seconds()
    reader = KafkaReader(ReaderConfig(client, group="bench-decode", batch=50_000), places)
    rows = 0
    while rows < n:
        batches = reader.poll()
        for batch in batches:
            rows += codec.decode(batch).frame.height
        if not batches:
            time.sleep(0.005)
    cpu = cpu_seconds() - cpu
    reader.close()
    return {"records": rows, "cpu_s": cpu, "per_cpu_s": rows / cpu, "peak_rss_mib": peak_rss_mib()}


if __name__ == "__main__":
    command_line(measure)
