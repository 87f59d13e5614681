"""Closed plant-days as tables of Delta Lake or Iceberg, for those who want one; the Parquet files stay the truth.

Each day file becomes one partition, replaced as a whole by one commit that also says which version of the day is in
it. So late rows and erasures follow with the next pass, and a pass that is repeated changes nothing. A file is read a
row group at a time, so memory does not grow with the day.

Delivery: exactly once over kills: a commit is there or it is not, and one that is there is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import Misconfigured
from millrace.failpoints import hit
from sinks.history.copies import local
from sinks.history.day_file import DayFile, id_in, numbered
from sinks.history.places import Place
from sinks.history.reading import day_files
from sinks.history.zones import PlantDay


class Target(Protocol):
    """A table of one topic."""

    def version_of(self, day: str) -> int | None:
        """Version of a plant-day (`plant=P1/date=2026-03-01`) that is in the table; None when it is not."""
        ...

    def replace(self, day: str, place: PlantDay, rows: pa.RecordBatchReader, version: int) -> None:
        """Put rows in the place of the plant-day's, with the version, in one commit; all of them or none.

        Raises:
            Retriable: Somebody else committed at the same time.
        """
        ...


@dataclass(slots=True)
class Published:
    """What a pass did to a table.

    Args:
        topic: The topic.
        days: Plant-days committed.
        rows: Rows in them.
        unchanged: Plant-days that were in the table already.
    """

    topic: str
    days: int = 0
    rows: int = 0
    unchanged: int = 0


def publish(root: Place, topic: str, target: Target) -> Published:
    """Bring the table to what the day files say.

    Raises:
        Misconfigured: A day file is not readable.
        Retriable: See `Target.replace`; what is committed stays.
    """
    done = Published(topic)
    for day in day_files(root, topic):
        folder = "/".join(day.path.parts[-3:-1])
        if target.version_of(folder) == day.number:
            done.unchanged += 1
            continue
        with _opened(day) as rows:
            hit("publish.before_commit")
            rows.put(target, folder, PlantDay.of(topic, day.path.parent))
        hit("publish.after_commit")
        done.days += 1
        done.rows += rows.count
    return done


@dataclass(slots=True)
class _Rows:
    """Rows of one reading of a day file, a row group at a time.

    Args:
        day: The day file.
        opened: The same, open.
        version: Its number.
        count: Rows that were handed out.
        failure: Why they are not all of them.
    """

    day: DayFile
    opened: pq.ParquetFile
    version: int
    count: int = 0
    failure: Misconfigured | None = None

    def put(self, target: Target, folder: str, place: PlantDay) -> None:
        """Replace the plant-day with them."""
        try:
            target.replace(folder, place, self._reader(place), self.version)
        except Exception as error:
            if self.failure is not None:  # the target says it in words of its own
                raise self.failure from error
            raise
        if self.failure is not None or self.count != self.opened.metadata.num_rows:
            raise self.failure or Misconfigured(f"{self.day.path}: only {self.count} of its rows were taken")

    def _reader(self, place: PlantDay) -> pa.RecordBatchReader:
        plain = pa.schema([field.with_type(_plain(field.type)) for field in self.opened.schema_arrow])
        schema = pa.schema([pa.field("plant", pa.string()), pa.field("date", pa.date32()), *plain])
        return pa.RecordBatchReader.from_batches(schema, self._batches(plain, schema, place))

    def _batches(self, plain: pa.Schema, schema: pa.Schema, place: PlantDay) -> Iterator[pa.RecordBatch]:
        """With plant and date as columns."""
        try:
            for number in range(self.opened.num_row_groups):
                rows = self.opened.read_row_group(number).cast(plain)
                where = [pa.repeat(pa.scalar(value), rows.num_rows) for value in (place.plant, place.day)]
                self.count += rows.num_rows
                yield from pa.Table.from_arrays([*where, *rows.columns], schema=schema).to_batches()
                hit("publish.after_group")
        except (pa.ArrowException, OSError) as error:
            self.failure = _unreadable(self.day, error)
            raise


@contextmanager
def _opened(day: DayFile) -> Iterator[_Rows]:
    with ExitStack() as stack:
        try:
            path = stack.enter_context(local(day.path))
            opened = stack.enter_context(pq.ParquetFile(path, page_checksum_verification=True))
            version = numbered(id_in(opened.metadata))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise _unreadable(day, error) from error
        yield _Rows(day, opened, version)


def _unreadable(day: DayFile, error: BaseException) -> Misconfigured:
    return Misconfigured(f"{day.path}: is no readable day file: {error!r}")


def _plain(kind: Any) -> Any:
    """Words of an enumeration as texts: tables know no such type."""
    return pa.string() if pa.types.is_dictionary(kind) or pa.types.is_large_string(kind) else kind
