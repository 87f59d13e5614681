"""What a finite run announced, as files that a run which goes on after a kill adds to.

Delivery: at least once. A batch is a file that is durable when `write_batch` returns, and a repeat is harmless, since
of each document the highest version counts (`Announced.documents`) and of each total given up the last reason.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from operators.replenishment_crossings import SIGNAL
from sinks.batches import Batch
from sinks.parquet import sync_file

_ENDING = ".parquet"
_GIVEN_UP = "given_up.json"
#: Not an ending of documents, so that these are no contract.
_PROJECTIONS = ".projections"


@dataclass(frozen=True, slots=True)
class Announced:
    """The folder that a run announces to."""

    folder: Path

    def write(self, batches: list[Batch]) -> None:
        """Keep documents, projections and what was given up."""
        frames: dict[str, list[pl.DataFrame]] = {}
        for batch in batches:
            frames.setdefault(batch.contract, []).extend(batch.documents)
        for contract, parts in frames.items():
            rows = pl.concat([part for part in parts if part.height]) if any(p.height for p in parts) else None
            if rows is not None:
                self._keep(f"{contract}-{uuid.uuid4().hex}{_ENDING}", rows)
        projections = [frame for batch in batches for frame in batch.projections]
        if projections:
            self._keep(f"{uuid.uuid4().hex}{_PROJECTIONS}", pl.concat(projections))
        reasons = {
            letter.document_key: letter.reason
            for batch in batches
            for letter in batch.letters
            if letter.document_key is not None
        }
        if reasons:
            self._keep(f"{uuid.uuid4().hex}-{_GIVEN_UP}", reasons)

    def _keep(self, name: str, content: pl.DataFrame | Mapping[str, str]) -> None:
        partial = self.folder / f".{name}.partial"
        if isinstance(content, pl.DataFrame):
            content.write_parquet(partial, compression="zstd", compression_level=1)
        else:
            partial.write_text(json.dumps(content), encoding="utf-8")
        sync_file(partial)
        partial.rename(self.folder / name)
        sync_file(self.folder)

    def contracts(self) -> list[str]:
        """Contracts of the documents."""
        return sorted({path.name.partition("-")[0] for path in self.folder.glob(f"[!.]*{_ENDING}")})

    def documents(self, contract: str) -> pl.DataFrame:
        """Of each document of a contract the highest version."""
        paths = sorted(self.folder.glob(f"{contract}-*{_ENDING}"))
        every = pl.concat([pl.read_parquet(path) for path in paths])
        newest = every.sort("revision", "reference_version").unique("document_key", keep="last")
        return newest.sort("document_key")

    def projections(self) -> pl.LazyFrame:
        """Rows of SIGNAL; those of a batch that was repeated are there twice."""
        empty = pl.LazyFrame(schema=SIGNAL)
        return pl.concat([empty, *(pl.scan_parquet(path) for path in sorted(self.folder.glob(f"[!.]*{_PROJECTIONS}")))])

    def given_up(self) -> dict[str, str]:
        """Reason by document of totals that were given up."""
        found: dict[str, str] = {}
        for path in sorted(self.folder.glob(f"[!.]*-{_GIVEN_UP}")):
            found.update(json.loads(path.read_text(encoding="utf-8")))
        return found


class _Partition(StatelessSinkPartition[Batch]):
    def __init__(self, announced: Announced) -> None:
        self._announced = announced

    def write_batch(self, items: list[Batch]) -> None:
        """Write them durably."""
        self._announced.write(items)


class AnnouncedSink(DynamicSink[Batch]):
    """Sink of a replay; any number of workers of one process."""

    def __init__(self, announced: Announced) -> None:
        self._announced = announced

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> _Partition:
        """One per worker."""
        return _Partition(self._announced)


__all__ = ["Announced", "AnnouncedSink"]
