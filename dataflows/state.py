"""The recovery store of a flow, what it was laid out for, and the identity of the state it holds."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from bytewax.recovery import init_db_dir

from millrace.errors import Misconfigured

LAYOUT = "layout.json"


def prepare(recovery: Path, partitions: int, layout: Mapping[str, object], process: int) -> None:
    """Make the store once; refuse one that was made for another layout.

    Raises:
        Misconfigured: The store was made for another layout, or process 0 has not made it yet.
    """
    described = recovery / LAYOUT
    if described.exists():
        _check(recovery, json.loads(described.read_text(encoding="utf-8")), layout)
        return
    if process != 0:
        raise Misconfigured(f"{recovery}: start process 0 first, it makes the recovery store")
    recovery.mkdir(parents=True, exist_ok=True)
    if not list(recovery.glob("part-*.sqlite3")):
        init_db_dir(recovery, partitions)  # type: ignore[no-untyped-call]
    partial = described.with_suffix(".partial")
    text = json.dumps({**layout, "state": uuid.uuid4().hex[:12]}, indent=2) + "\n"
    partial.write_text(text, encoding="utf-8")
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
    """Size of a recovery store's files, with those that SQLite keeps beside them."""
    return sum(path.stat().st_size for path in recovery.glob("part-*.sqlite3*") if path.exists())
