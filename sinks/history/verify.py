"""Checks of a history: every file is readable to its last page, and nothing is missing or twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.errors import Misconfigured
from sinks.history.day_file import DayFile, read_footer
from sinks.history.manifest import checksum, read_manifest
from sinks.history.places import Place
from sinks.history.store import arrow_source, look, read_bytes
from sinks.history.zones import DAY_FILE, DAYS, RawFile, folders, raw_files


@dataclass(slots=True)
class Verified:
    """What was found in a topic.

    Args:
        topic: The topic.
        files: Files read.
        rows: Rows in files that are readable, each once.
        problems: A sentence each, with the file's path first.
    """

    topic: str
    files: int = 0
    rows: int = 0
    problems: list[str] = field(default_factory=list)


def verify(root: Place, topic: str) -> Verified:
    """Read every file of a topic; call within `only_one`, so that no compaction runs meanwhile.

    Day files are held against checksums per page and the manifest's SHA-256, rows and size. Raw files have no
    checksums: they are decoded to the last value. What a flow removes meanwhile is left out. An object store has
    no lock: what a compaction replaced meanwhile is told.
    """
    found = Verified(topic)
    known = _known(root, topic, found)
    for folder in folders(root, topic):
        path = root / DAYS / topic / folder / DAY_FILE
        day = _day(path, known.pop("/".join(path.parts[-3:]), None), found)
        for raw in raw_files(root / topic / folder):
            _raw(raw.path, inside=_inside(day, raw, found), found=found)
        if day is not None and look(path) != day.found:
            found.problems.append(f"{path}: was replaced while it was verified; verify again")
    found.problems += [f"{root / DAYS / topic / path}: is missing, the manifest names it" for path in sorted(known)]
    return found


def against_flow(found: Verified, accepted: int) -> None:
    """Hold the rows of a topic against what its flows say they accepted; only exact while no flow runs."""
    if found.rows != accepted:
        found.problems.append(f"{found.topic}: has {found.rows} rows, but flows accepted {accepted}")


def _known(root: Place, topic: str, found: Verified) -> dict[str, Mapping[str, Any]]:
    try:
        manifest = read_manifest(root, topic) or {"days": []}
        return {each["path"]: each for each in manifest["days"]}
    except (Misconfigured, KeyError, TypeError) as error:
        found.problems.append(f"{root / DAYS / topic}: its manifest is not readable: {error}")
        return {}


def _day(path: Place, entry: Mapping[str, Any] | None, found: Verified) -> DayFile | None:
    try:
        day = read_footer(path)
    except Misconfigured as error:
        found.files += 1
        found.problems.append(str(error))
        return None
    if day is None:
        found.problems += [f"{path}: is missing, the manifest names it"] if entry else []
        return None
    found.files += 1
    found.problems += [f"{path}: {why}" for why in _differences(day, entry)]
    try:
        found.rows += _rows_with_checksums(path)
    except (pa.ArrowException, OSError) as error:
        found.problems.append(f"{path}: is damaged: {error}")
    return day


def _rows_with_checksums(path: Place) -> int:
    source = arrow_source(path)
    with pq.ParquetFile(source["where"], filesystem=source["filesystem"], page_checksum_verification=True) as opened:
        return sum(batch.num_rows for batch in opened.iter_batches())


def _differences(day: DayFile, entry: Mapping[str, Any] | None) -> Iterator[str]:
    """A file that is newer than its manifest, as after a kill, has nothing to be compared with."""
    if entry is None or entry["id"] != day.id:
        return
    for name, actual in (("rows", day.rows), ("bytes", day.found.size), ("sha256", checksum(day.path))):
        if entry[name] != actual:
            yield f"{name} is {actual}, the manifest says {entry[name]}"


def _inside(day: DayFile | None, raw: RawFile, found: Verified) -> bool:
    try:
        return day is not None and day.holds(raw)
    except Misconfigured as error:
        found.problems.append(str(error))
        return False


def _raw(path: Place, *, inside: bool, found: Verified) -> None:
    """Decode a raw file; its rows count unless a day file holds them."""
    try:
        rows = pl.read_parquet(BytesIO(read_bytes(path)), hive_partitioning=False).height
    except FileNotFoundError:
        return
    except (pl.exceptions.PolarsError, OSError) as error:
        found.files += 1
        found.problems.append(f"{path}: is damaged: {error}")
        return
    found.files += 1
    found.rows += 0 if inside else rows
