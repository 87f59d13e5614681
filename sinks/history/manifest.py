"""The manifest of a topic: its day files with rows, times, schema versions and checksums, and how fresh they are.

A report for people and schedulers, replaced by one rename after each pass. Nothing depends on it to read each row
once: the footers of the day files say that.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from millrace.errors import Misconfigured
from millrace.failpoints import hit
from schemas.contracts import AVRO_FOLDER, contracts, load
from sinks.history.copies import chunks
from sinks.history.day_file import DayFile
from sinks.history.places import Place
from sinks.history.reading import day_files, plan
from sinks.history.store import make_folder, read_bytes, write
from sinks.history.zones import DAYS, MANIFEST, PlantDay


def write_manifest(root: Place, topic: str, complete_up_to: datetime | None) -> dict[str, Any]:
    """Describe a topic as it is now, and keep that as `_days/<topic>/_manifest.json`.

    Args:
        root: Folder of the history.
        topic: Topic.
        complete_up_to: Event time that every partition of the topic had reached; None keeps what was known.
    """
    known = read_manifest(root, topic) or {}
    folder = root / DAYS / topic
    make_folder(folder, root)
    described = _describe(root, topic, known)
    reached = complete_up_to.isoformat() if complete_up_to is not None else known.get("complete_up_to")
    described["complete_up_to"] = reached
    described["written_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    hit("history.before_manifest")
    write(folder / MANIFEST, (json.dumps(described, indent=1) + "\n").encode())
    hit("history.after_manifest")
    return described


def read_manifest(root: Place, topic: str) -> dict[str, Any] | None:
    """The manifest of a topic; None when it has none yet.

    Raises:
        Misconfigured: It is no JSON.
    """
    path = root / DAYS / topic / MANIFEST
    try:
        found: dict[str, Any] = json.loads(read_bytes(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Misconfigured(f"{path}: is no manifest: {error}") from error
    return found


def checksum(path: Place) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    for part in chunks(path):
        found.update(part)
    return found.hexdigest()


def _describe(root: Place, topic: str, known: dict[str, Any]) -> dict[str, Any]:
    earlier = {each["id"]: each for each in known.get("days", [])}
    days = [earlier.get(day.id) or _entry(topic, day) for day in day_files(root, topic)]
    waiting = plan(root, topic).raw
    return {
        "topic": topic,
        "contract": _contract(topic),
        "schema_versions": sorted({each["schema_version"] for each in days if each["schema_version"]}),
        "files": len(days),
        "rows": sum(each["rows"] for each in days),
        "bytes": sum(each["bytes"] for each in days),
        "first_event_time": min((each["first_event_time"] for each in days), default=None),
        "last_event_time": max((each["last_event_time"] for each in days), default=None),
        "waiting_files": len(waiting),
        "waiting_since": min((path.parent.name.removeprefix("date=") for path in waiting), default=None),
        "days": days,
    }


def _entry(topic: str, day: DayFile) -> dict[str, Any]:
    place = PlantDay.of(topic, day.path.parent)
    return {
        "path": "/".join(day.path.parts[-3:]),
        "id": day.id,
        "plant": place.plant,
        "date": place.day.isoformat(),
        "rows": day.rows,
        "bytes": day.found.size,
        "sha256": checksum(day.path),
        "first_event_time": day.first.isoformat() if day.first else None,
        "last_event_time": day.last.isoformat() if day.last else None,
        "schema_version": _version(topic, day.columns),
    }


def _contract(topic: str) -> str | None:
    return next((each.name for each in contracts().values() if each.topic == topic), None)


def _version(topic: str, columns: tuple[str, ...]) -> int | None:
    """Newest released version of the contract whose fields the file has."""
    name = _contract(topic)
    fits = [number for number, fields in _released(name).items() if fields <= set(columns)] if name else []
    return max(fits, default=None)


@cache
def _released(name: str) -> dict[int, frozenset[str]]:
    """Fields by version; the plant is part of the path."""
    paths = (AVRO_FOLDER / "released" / name).glob("*.avsc")
    return {int(path.stem): frozenset(load(path).fields) - {"plant"} for path in paths}
