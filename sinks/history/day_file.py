"""The one file of a closed plant-day, and what its footer says of the raw files that are in it."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import MillraceError, Misconfigured
from schemas.contracts import contracts
from sinks.history.pieces import cut
from sinks.history.places import Found, Place
from sinks.history.sorted_rows import in_order, ordered_by
from sinks.history.store import arrow_source, look
from sinks.history.zones import RawFile

#: Rows of a row group: some ten megabytes, so that a scan reads few and a look-up by key skips most.
ROW_GROUP = 250_000
_INPUTS, _ID = b"millrace.inputs", b"millrace.id"
_WRITTEN = pl.CompatLevel.oldest()


@dataclass(frozen=True, slots=True)
class Taken:
    """How far a writer's files of one plant-day are in its day file.

    Args:
        below: Every file with a lower number is in it.
        until: When the newest of them was written, nanoseconds since 1970. A file with a lower number that was
            written later is another file: its flow went back to an older state than the one compaction knew.
    """

    below: int
    until: int


@dataclass(frozen=True, slots=True)
class DayFile:
    """What the footer of a day file says.

    Args:
        found: The file, as it was when its footer was read.
        id: Made anew with every version of the file.
        rows: Rows in it.
        taken: By writer.
        columns: Names.
        first: Lowest event time.
        last: Highest event time.
    """

    found: Found
    id: str
    rows: int
    taken: Mapping[str, Taken] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    first: datetime | None = None
    last: datetime | None = None

    @property
    def path(self) -> Place:
        """The file."""
        return self.found.path

    @property
    def number(self) -> int:
        """The id as a number that tables can keep, 60 bits."""
        return numbered(self.id)

    def holds(self, raw: RawFile) -> bool:
        """Whether the rows of a raw file are in this file.

        Raises:
            Misconfigured: The file is numbered as one that is, but was written later.
        """
        taken = self.taken.get(raw.writer)
        if taken is None or raw.number >= taken.below:
            return False
        if raw.written > taken.until:
            raise Misconfigured(
                f"{raw.path}: was written after files numbered like it were compacted into {self.path}: its flow "
                "went back to an older recovery store, so rows are in both. See docs/analysts.md, older state"
            )
        return True


def read_footer(path: Place) -> DayFile | None:
    """What a day file says of itself; None when there is none.

    Raises:
        Misconfigured: It is no readable Parquet, or was not made by `millrace history compact`.
    """
    found = look(path)
    if found is None:
        return None
    try:
        meta = pq.read_metadata(**arrow_source(path))
        known = meta.metadata or {}
        taken = {name: Taken(**value) for name, value in json.loads(known[_INPUTS]).items()}
        first, last = _times(meta)
        return DayFile(found, known[_ID].decode(), meta.num_rows, taken, tuple(meta.schema.names), first, last)
    except FileNotFoundError:
        return None
    except MillraceError:
        raise
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise Misconfigured(f"{path}: is no readable day file: {error!r}") from error


def numbered(id_: str) -> int:
    """An id as a number of 60 bits."""
    return int(id_[:15], 16)


def id_in(meta: Any) -> str:
    """Id in the footer of a day file; KeyError when it is none."""
    return str(meta.metadata[_ID].decode())


def _times(meta: Any) -> tuple[datetime | None, datetime | None]:
    """Lowest and highest event time by the statistics of the row groups."""
    at = meta.schema.to_arrow_schema().get_field_index("event_time")
    groups = [meta.row_group(number).column(at).statistics for number in range(meta.num_row_groups)]
    if not groups:
        return None, None
    return min(_utc(each.min) for each in groups), max(_utc(each.max) for each in groups)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def write(partial: Path, frames: Iterable[pl.DataFrame], topic: str, taken: Mapping[str, Taken]) -> int:
    """Write rows sorted by key and time; columns that older rows lack are null. Memory does not grow with the day.

    Args:
        partial: The file; sorted runs of a large day lie beside it meanwhile.
        frames: Rows, taken one by one.
        topic: Topic, for its key.
        taken: By writer, what is in the file then.

    Returns:
        Rows that the file holds, read back from its footer.
    """
    order = _order(topic)
    runs = partial.with_name(f"{partial.name}.runs")
    shutil.rmtree(runs, ignore_errors=True)  # of a pass that was killed
    runs.mkdir()
    try:
        _write_groups(partial, in_order(map(_plainly, frames), order, runs), order, taken)
    finally:
        shutil.rmtree(runs)
    return int(pq.read_metadata(partial).num_rows)


def write_again(partial: Path, frames: Iterator[pl.DataFrame], topic: str, taken: Mapping[str, Taken]) -> None:
    """Write rows of a day file, in the order in which they came; for the rest see `write`."""
    _write_groups(partial, map(_plainly, frames), _order(topic), taken)


def _order(topic: str) -> tuple[str, ...]:
    return key_of(topic), "event_time", "event_id"


def _write_groups(
    partial: Path, ordered: Iterator[pl.DataFrame], order: Sequence[str], taken: Mapping[str, Taken]
) -> None:
    """Row groups of `ROW_GROUP` rows each, whatever the frames' sizes."""
    said = {_INPUTS: json.dumps({name: _plain(each) for name, each in taken.items()}), _ID: uuid.uuid4().hex}
    first = next(ordered)
    schema = first.head(0).to_arrow(compat_level=_WRITTEN).schema.with_metadata(said)
    sorted_by = [(name, "ascending") for name in ordered_by(schema.names, order)]
    with pq.ParquetWriter(
        partial,
        schema,
        compression="zstd",
        compression_level=3,
        write_page_index=True,
        write_page_checksum=True,
        sorting_columns=pq.SortingColumn.from_ordering(schema, sorted_by),
    ) as writer:
        frames = chain([first], ordered)
        del first
        for group in cut(frames, ROW_GROUP):
            writer.write_table(group.to_arrow(compat_level=_WRITTEN).cast(schema), row_group_size=ROW_GROUP)


def _plainly(frame: pl.DataFrame) -> pl.DataFrame:
    """Symbols as texts: versions of a contract have different sets of them, which no reader would take for one type."""
    return frame.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String))


def key_of(topic: str) -> str:
    """Field that keys the records of a topic; topics with names of an installation's own are keyed by source."""
    return next((each.key for each in contracts().values() if each.topic == topic), "source")


def _plain(taken: Taken) -> dict[str, int]:
    return {"below": taken.below, "until": taken.until}
