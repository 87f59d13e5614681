"""The release log of a contract: `released/<Name>/releases.json`, one entry per version.

An entry whose version has no `.avsc` yet speaks of the version in the making. There `clarified` lists the fields (or
`field.SYMBOL`) of which only the words change, which no program can tell from a change of meaning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from millrace.errors import Misconfigured
from schemas.contracts import AVRO_FOLDER, Schema
from schemas.governance.findings import Node, fields_of
from schemas.governance.positions import Located, read

_REQUIRED = ("version", "date", "owner", "changes")


@dataclass(frozen=True, slots=True)
class Release:
    """One entry.

    Args:
        version: Number, from 1.
        date: Day of the release.
        owner: Team that answers for it.
        changes: What changed, a sentence each.
        clarified: Fields or symbols of which only the words change.
    """

    version: int
    date: date
    owner: str
    changes: tuple[str, ...]
    clarified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A field that is on its way out.

    Args:
        contract: Name of the contract.
        field: Path of the field.
        since: Version that deprecated it.
        until: Day from which on it may be removed.
        instead: What to write instead.
    """

    contract: str
    field: str
    since: int
    until: date
    instead: str


def log_path(name: str, folder: Path = AVRO_FOLDER) -> Path:
    """File of a contract's release log."""
    return folder / "released" / name / "releases.json"


def releases(name: str, folder: Path = AVRO_FOLDER) -> list[Release]:
    """Entries, oldest first; empty where there is no log.

    Raises:
        Misconfigured: An entry is wrong; the message names file, line and field.
    """
    path = log_path(name, folder)
    if not path.exists():
        return []
    located = read(path)
    if not isinstance(located.value, list):
        raise Misconfigured(f"{path}:1: a release log is a list of entries")
    found = [_release(located, index) for index in range(len(located.value))]
    if [each.version for each in found] != list(range(1, len(found) + 1)):
        raise Misconfigured(f"{path}:1: version: entries are numbered 1, 2, 3 ... in this order")
    return found


def _release(located: Located, index: int) -> Release:
    entry = located.value[index]
    missing = [name for name in _REQUIRED if not isinstance(entry, dict) or name not in entry]
    if missing:
        raise Misconfigured(f"{located.path}:{located.line((index,))}: {missing[0]}: is missing")
    try:
        day = date.fromisoformat(entry["date"])
    except (TypeError, ValueError):
        line = located.line((index, "date"))
        raise Misconfigured(f"{located.path}:{line}: date: {entry['date']!r} is no date like 2026-03-02") from None
    return Release(
        int(entry["version"]), day, str(entry["owner"]), tuple(entry["changes"]), tuple(entry.get("clarified", ()))
    )


def deprecations(schema: Schema) -> list[Deprecation]:
    """Deprecated fields of a contract, in its order."""
    root = Node(Located(Path(), schema, {}), (), "", schema)
    marked = ((field.field, field.value["deprecated"]) for field in fields_of(root) if field.value.get("deprecated"))
    return [
        Deprecation(schema["name"], path, given["since"], date.fromisoformat(given["until"]), given["instead"])
        for path, given in marked
    ]


def entry(release: Release) -> dict[str, Any]:
    """An entry as it stands in the file."""
    plain = {
        "version": release.version,
        "date": release.date.isoformat(),
        "owner": release.owner,
        "changes": list(release.changes),
    }
    return {**plain, "clarified": list(release.clarified)} if release.clarified else plain


def write(name: str, entries: list[Release], folder: Path = AVRO_FOLDER) -> None:
    """Write a contract's release log."""
    text = json.dumps([entry(each) for each in entries], indent=2, ensure_ascii=False)
    log_path(name, folder).write_text(f"{text}\n", encoding="utf-8")
