"""What was done to files of the history for privacy or retention: file by file with checksums, kept in the history.

`<root>/_erasures/<run>/<number>.json` is written before a file is touched, so that no replacement is without its note.
At the end `<run>.parquet` and `<run>.json` stand in place of the notes. A run that was killed is closed by the next
one, which sees by the checksum of each file whether it was replaced. No report names the person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from millrace.failpoints import hit
from sinks.history.manifest import checksum
from sinks.history.places import Place
from sinks.history.store import below, files, make_folder, read_bytes, remove, sync, write

FOLDER = "_erasures"


@dataclass(frozen=True, slots=True)
class Touched:
    """A file that was replaced or removed.

    Args:
        file: Path below the history; a whole one of a file that lies elsewhere, as in a spool.
        action: `replaced` or `removed`.
        rows: Rows in it, which a replacement keeps.
        changed: Rows that named the person.
        sha256_before: Checksum before.
        sha256_after: Checksum afterwards; empty for a removed file.
        done: Whether the file is now what `action` says.
    """

    file: str
    action: str
    rows: int
    changed: int
    sha256_before: str
    sha256_after: str = ""
    done: bool = True


@dataclass(slots=True)
class Report:
    """Proof of one run.

    Args:
        root: Folder of the history.
        run: Name of the run.
        said: Who ran what, and why.
        touched: Files so far.
    """

    root: Place
    run: str
    said: Mapping[str, Any]
    touched: list[Touched] = field(default_factory=list)

    @classmethod
    def begin(cls, root: Place, said: Mapping[str, Any]) -> Report:
        """A new run; what a killed one has left is closed first."""
        close_interrupted(root)
        now = datetime.now(UTC)
        return cls(root, f"{now:%Y%m%dT%H%M%S%f}", {**said, "begun_at": now.isoformat(timespec="seconds")})

    def note(self, each: Touched) -> None:
        """Keep a note of what is about to happen to a file."""
        folder = self.root / FOLDER / self.run
        make_folder(folder, self.root)
        content = {"said": dict(self.said), "touched": asdict(each)}
        write(folder / f"{len(self.touched):06d}.json", json.dumps(content).encode())
        self.touched.append(each)
        hit("erase.after_note")

    def end(self, **more: Any) -> None:
        """Put the report in place of the notes."""
        _publish(self.root, self.run, {**self.said, **more}, self.touched)


def close_interrupted(root: Place) -> list[str]:
    """Make reports of the notes that killed runs have left; returns the runs."""
    notes: dict[str, list[dict[str, Any]]] = {}
    for found in below(root / FOLDER, ".json"):
        if found.path.parent.name != FOLDER:
            notes.setdefault(found.path.parent.name, []).append(json.loads(read_bytes(found.path)))
    for run, parts in sorted(notes.items()):
        touched = [_as_it_is(root, Touched(**part["touched"])) for part in parts]
        _publish(root, run, {**parts[0]["said"], "interrupted": True}, touched)
    return sorted(notes)


def below_root(root: Place, path: Place) -> str:
    """Path of a file below the history, or as it is where it lies elsewhere."""
    whole, above = str(path), f"{root.resolve() if isinstance(root, Path) else root}/"
    return str(path.resolve() if isinstance(path, Path) else whole).removeprefix(above)


def _as_it_is(root: Place, each: Touched) -> Touched:
    place = Path(each.file) if each.file.startswith("/") else root / each.file
    try:
        now = checksum(place)
    except FileNotFoundError:
        now = ""
    return Touched(**{**asdict(each), "done": now == each.sha256_after})


def _publish(root: Place, run: str, said: Mapping[str, Any], touched: list[Touched]) -> None:
    folder = root / FOLDER
    make_folder(folder, root)
    table = BytesIO()
    schema = {name: _TYPES.get(name, pl.String()) for name in Touched.__dataclass_fields__}
    pl.DataFrame([asdict(each) for each in touched], schema).write_parquet(table)
    write(folder / f"{run}.parquet", table.getvalue())
    hit("erase.between_reports")
    files_done = sum(each.done for each in touched)
    write(folder / f"{run}.json", json.dumps({**said, "run": run, "files": files_done}, indent=1).encode())
    for note in files(folder / run, ".json"):
        remove(note.path)
    if isinstance(folder, Path) and (folder / run).is_dir():
        (folder / run).rmdir()
        sync(folder)


_TYPES: dict[str, pl.DataType] = {"rows": pl.Int64(), "changed": pl.Int64(), "done": pl.Boolean()}
