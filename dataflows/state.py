"""The recovery store of a flow, what it was laid out for, and the identity of the state it holds."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from bytewax.recovery import init_db_dir

from dataflows.kept_files import KEPT
from millrace.errors import Misconfigured

LAYOUT = "layout.json"


def prepare(
    recovery: Path, partitions: int, layout: Mapping[str, object], process: int, resumes: Collection[int] = ()
) -> None:
    """Make the store once; refuse one that was made for another layout.

    Args:
        recovery: Folder of the store.
        partitions: Partitions of a new one.
        layout: What the state is laid out for.
        process: Number of this process.
        resumes: Earlier versions of `steps` whose state today's steps read. Such a store becomes one of today's, which
            the release before refuses.

    Raises:
        Misconfigured: The store was made for another layout, or process 0 has not made it yet.
    """
    described = recovery / LAYOUT
    if described.exists():
        known = json.loads(described.read_text(encoding="utf-8"))
        older = known.get("steps") in resumes
        _check(recovery, {**known, "steps": layout["steps"]} if older else known, layout)
        if older and process == 0:
            _write(described, {**known, "steps": layout["steps"]})
        return
    if process != 0:
        raise Misconfigured(f"{recovery}: start process 0 first, it makes the recovery store")
    recovery.mkdir(parents=True, exist_ok=True)
    if not list(recovery.glob("part-*.sqlite3")):
        init_db_dir(recovery, partitions)  # type: ignore[no-untyped-call]
    _write(described, {**layout, "state": uuid.uuid4().hex[:12]})


def _write(described: Path, layout: Mapping[str, object]) -> None:
    partial = described.with_suffix(".partial")
    partial.write_text(json.dumps(layout, indent=2) + "\n", encoding="utf-8")
    partial.rename(described)


def _check(recovery: Path, known: Mapping[str, object], layout: Mapping[str, object]) -> None:
    changed = [name for name in layout if known.get(name) != layout[name]]
    if changed:
        was = ", ".join(f"{name} was {known.get(name)!r}, is {layout[name]!r}" for name in changed)
        raise Misconfigured(
            f"{recovery}: its state is laid out differently ({was}); keep these settings. An empty store would read "
            "the topics from their start, and other windows are other documents: they would be booked again"
        )


def state_id(recovery: Path | None) -> str:
    """Identity of the state in a store; a new one for every run without a store.

    It exists before the first snapshot does, so that what a first life wrote can be told from what others wrote.
    """
    if recovery is None or not (recovery / LAYOUT).exists():
        return uuid.uuid4().hex[:12]
    return str(json.loads((recovery / LAYOUT).read_text(encoding="utf-8"))["state"])


def store_bytes(recovery: Path) -> int:
    """Size of a recovery store's files, with those that SQLite keeps beside them and what is kept of stock."""
    sizes = 0
    for path in (*recovery.glob("part-*.sqlite3*"), *(recovery / KEPT).glob("*")):
        with suppress(FileNotFoundError):  # it may go while we look
            sizes += path.stat().st_size
    return sizes
