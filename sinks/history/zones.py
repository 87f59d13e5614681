"""Where files of the history lie and what their names say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from millrace.errors import Misconfigured
from sinks.history.places import Place
from sinks.history.store import files, subfolders

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

    path: Place
    writer: str
    number: int
    written: int
    size: int


class _Named(Protocol):
    """A path of any kind."""

    @property
    def name(self) -> str: ...

    @property
    def parent(self) -> _Named: ...


@dataclass(frozen=True, slots=True, order=True)
class PlantDay:
    """One plant and UTC date of a topic; `folder` is the part of the path that both zones share."""

    topic: str
    plant: str
    day: date

    @classmethod
    def of(cls, topic: str, folder: _Named) -> PlantDay:
        """From a folder `plant=.../date=...`.

        Raises:
            Misconfigured: The folder is named for something else than a date.
        """
        try:
            day = date.fromisoformat(folder.name.removeprefix("date="))
        except ValueError as error:
            raise Misconfigured(f"{folder}: is no folder of a UTC date, as date=2026-03-01") from error
        return cls(topic, unquote(folder.parent.name.removeprefix("plant=")), day)


def topics(root: Place) -> list[str]:
    """Topics with files in either zone."""
    zones = [folder for zone in (root, root / DAYS) for folder in subfolders(zone)]
    return sorted({zone.name for zone in zones if zone.name != DAYS and _plants(zone)})


def folders(root: Place, topic: str) -> dict[Path, PlantDay]:
    """Plant-days of a topic in either zone, by their path below the topic (`plant=P1/date=2026-03-01`)."""
    found: dict[Path, PlantDay] = {}
    for zone in (root / topic, root / DAYS / topic):
        for plant in _plants(zone):
            for folder in subfolders(plant):
                if folder.name.startswith("date="):
                    found[Path(plant.name, folder.name)] = PlantDay.of(topic, folder)
    return dict(sorted(found.items()))


def _plants(zone: Place) -> list[Place]:
    return [folder for folder in subfolders(zone) if folder.name.startswith("plant=")]


def raw_files(folder: Place) -> Iterator[RawFile]:
    """Files of the raw zone in one folder, by writer and number; one that is removed meanwhile is left out."""
    for found in files(folder, ".parquet"):
        writer, _, number = found.path.stem.rpartition("-")
        if number.isdecimal() and writer:
            yield RawFile(found.path, writer, int(number), found.written, found.size)
