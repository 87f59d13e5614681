"""Closed plant-days as tables of Delta Lake or Iceberg, for those who want one; the Parquet files stay the truth.

Each day file becomes one partition, replaced as a whole by one commit that also says which version of the day is in
it. So late rows and erasures follow with the next pass, and a pass that is repeated changes nothing.

Delivery: exactly once over kills: a commit is there or it is not, and one that is there is not made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import Misconfigured
from millrace.failpoints import hit
from sinks.history.day_file import DayFile, id_in, numbered
from sinks.history.places import Place
from sinks.history.reading import day_files
from sinks.history.store import read_bytes
from sinks.history.zones import PlantDay


class Target(Protocol):
    """A table of one topic."""

    def version_of(self, day: str) -> int | None:
        """Version of a plant-day (`plant=P1/date=2026-03-01`) that is in the table; None when it is not."""
        ...

    def replace(self, day: str, place: PlantDay, rows: pa.Table, version: int) -> None:
        """Put rows in the place of the plant-day's, with the version, in one commit.

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
        place = PlantDay.of(topic, day.path.parent)
        rows, version = _rows(day, place)
        hit("publish.before_commit")
        target.replace(folder, place, rows, version)
        hit("publish.after_commit")
        done.days += 1
        done.rows += rows.num_rows
    return done


def _rows(day: DayFile, place: PlantDay) -> tuple[pa.Table, int]:
    """Rows and version of one reading of the file, with plant and date as columns."""
    try:
        with pq.ParquetFile(BytesIO(read_bytes(day.path)), page_checksum_verification=True) as opened:
            rows, version = opened.read(), numbered(id_in(opened.metadata))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise Misconfigured(f"{day.path}: is no readable day file: {error!r}") from error
    plain = rows.cast(pa.schema([field.with_type(_plain(field.type)) for field in rows.schema]))
    plant, date = (pa.repeat(pa.scalar(value), rows.num_rows) for value in (place.plant, place.day))
    return plain.add_column(0, "plant", plant).add_column(1, "date", date), version


def _plain(kind: Any) -> Any:
    """Words of an enumeration as texts: tables know no such type."""
    return pa.string() if pa.types.is_dictionary(kind) or pa.types.is_large_string(kind) else kind
