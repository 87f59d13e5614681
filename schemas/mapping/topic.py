"""A Kafka topic of foreign JSON through the same mapping as a file of JSON lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from millrace.errors import Misconfigured
from schemas.batch import DecodedBatch, RawBatch, Reject
from schemas.mapping.batch import MappedBatch, RowReject, State
from schemas.mapping.json_rows import read_json
from schemas.mapping.model import Mapping
from schemas.mapping.pipeline import apply


@dataclass(slots=True)
class MappedRecords:
    """What a poll of foreign JSON became.

    Args:
        batches: By contract; `rows` points into the raw batch, and may name a record more than once.
        rejects: Records that were rejected, by index into the raw batch; none of them is in a frame.
        filtered: Records left out on purpose.
        state: By partition, for the next poll; plain picklable values, bounded by the number of machines.
    """

    batches: dict[str, DecodedBatch] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    filtered: int = 0
    state: dict[int, State] = field(default_factory=dict)


class MappedJson:
    """Decodes a topic whose producer keeps its own JSON.

    Partitions keep their context apart, so that the result does not depend on how polls interleave them.

    Args:
        mapping: A mapping of format `jsonl` without `long.join_on`.

    Raises:
        Misconfigured: The mapping is for another format, or joins rows: a topic has no end at which a
            group is complete.
    """

    def __init__(self, mapping: Mapping) -> None:
        if mapping.format.type != "jsonl":
            raise Misconfigured(f"format.type: a topic of JSON needs jsonl, not {mapping.format.type}")
        if mapping.long is not None and mapping.long.join_on:
            raise Misconfigured("long.join_on: joins rows of files only, each record of a topic stands for itself")
        self.mapping = mapping

    def decode(self, raw: RawBatch, state: dict[int, State] | None = None) -> MappedRecords:
        """Map one poll; every record is in a frame, in the rejects, or counted as filtered."""
        result = MappedRecords(state=dict(state or {}))
        frames: dict[str, list[tuple[pl.DataFrame, npt.NDArray[np.int64]]]] = {}
        for partition in np.unique(raw.partitions).tolist():
            indexes = np.flatnonzero(raw.partitions == partition)
            mapped, unreadable = self._partition(raw, partition, indexes, result.state)
            offsets = raw.offsets[indexes]
            for name, frame in mapped.frames.items():
                rows = indexes[np.searchsorted(offsets, frame["_line"].to_numpy())]
                frames.setdefault(name, []).append((frame.drop("_line"), rows))
            for reject in [*unreadable, *mapped.rejects]:
                row = int(indexes[np.searchsorted(offsets, reject.line)])
                result.rejects.append(Reject(row, reject.reason, reject.detail))
            result.filtered += mapped.filtered
            if mapped.state:
                result.state[partition] = mapped.state
        result.rejects.sort(key=lambda reject: reject.row)
        result.batches = {name: _in_order(parts) for name, parts in frames.items()}
        return result

    def _partition(
        self, raw: RawBatch, partition: int, indexes: npt.NDArray[np.int64], state: dict[int, Any]
    ) -> tuple[MappedBatch, list[RowReject]]:
        values = [raw.values[i] for i in indexes.tolist()]
        read = read_json(values, raw.offsets[indexes].tolist(), self.mapping)
        name = pl.lit(f"{raw.topic}:{partition}", dtype=pl.String)
        return apply(self.mapping, read.rows.with_columns(name.alias("_file")), state.get(partition)), read.rejects


def _in_order(parts: list[tuple[pl.DataFrame, npt.NDArray[np.int64]]]) -> DecodedBatch:
    """Records of all partitions in the order of the raw batch."""
    frame, rows = pl.concat([part for part, _ in parts]), np.concatenate([index for _, index in parts])
    order = np.argsort(rows, kind="stable")
    return DecodedBatch(frame[order], rows[order])
