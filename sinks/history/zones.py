"""Where files of the history lie and what their names say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import unquote

from millrace.errors import Misconfigured

DAYS = "_days"
DAY_FILE = "day.parquet"
MANIFEST = "_manifest.json"


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file that a lane of a flow wrote.

    Args:
        path: The file.
        writer: `<flow>-<generation>-<lane>`.
        number: Its place among the files of that writer.
        written: Time of its last change, nanoseconds since 1970.
        size: Bytes.
    """

    path: Path
    writer: str
    number: int
    written: int
    size: int


@dataclass(frozen=True, slots=True, order=True)
class PlantDay:
    """One plant and UTC date of a topic; `folder` is the part of the path that both zones share."""

    topic: str
    plant: str
    day: date

    @classmethod
    def of(cls, topic: str, folder: Path) -> PlantDay:
        """From a folder `plant=.../date=...`.

        Raises:
            Misconfigured: The folder is named for something else than a date.
        """
        try:
            day = date.fromisoformat(folder.name.removeprefix("date="))
        except ValueError as error:
            raise Misconfigured(f"{folder}: is no folder of a UTC date, as date=2026-03-01") from error
        return cls(topic, unquote(folder.parent.name.removeprefix("plant=")), day)


def topics(root: Path) -> list[str]:
    """Topics with files in either zone."""
    zones = [path for zone in (root, root / DAYS) if zone.is_dir() for path in zone.iterdir()]
    return sorted({path.name for path in zones if path.name != DAYS and any(path.glob("plant=*"))})


def folders(root: Path, topic: str) -> dict[Path, PlantDay]:
    """Plant-days of a topic in either zone, by their path below the topic (`plant=P1/date=2026-03-01`)."""
    found: dict[Path, PlantDay] = {}
    for zone in (root / topic, root / DAYS / topic):
        for folder in zone.glob("plant=*/date=*"):
            found[folder.relative_to(zone)] = PlantDay.of(topic, folder)
    return dict(sorted(found.items()))


def raw_files(folder: Path) -> Iterator[RawFile]:
    """Files of the raw zone in one folder, by writer and number; one that is removed meanwhile is left out."""
    for path in sorted(folder.glob("*.parquet")):
        writer, _, number = path.stem.rpartition("-")
        if not number.isdecimal() or not writer:
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        yield RawFile(path, writer, int(number), status.st_mtime_ns, status.st_size)
