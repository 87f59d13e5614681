"""One life of a flow that keeps its history on an object store, as a process that a fail point may kill.

`python -m tests.stores.spool_life ROOT FOLDER EPOCHS`: goes on from the snapshot in the folder, accepts three rows an
epoch up to that many epochs, keeps a snapshot after each, and ends when the store has everything.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from sinks.history.places import ObjectPath, located
from sinks.history.spool import Spool, SpoolLimit
from sinks.parquet import HistoryWriter
from tests.unit.history_case import TOPIC, rows

ROOM = 10_000_000


def life(root: ObjectPath, folder: Path, spool: type[Spool] = Spool, room: int = ROOM) -> tuple[HistoryWriter, Spool]:
    """A writer with its spool in a folder, not restored yet."""
    made = spool(folder / "spool", root, SpoolLimit(room), "confirmations", "lane-00")
    topics = {"MachineCycle": TOPIC}
    return HistoryWriter(folder / "spool", "confirmations", "lane-00", topics, lambda: "state1", made), made


def epoch(writer: HistoryWriter, number: int) -> None:
    """Three rows of three days, so that an epoch makes three files."""
    writer.write("MachineCycle", rows([number, number + 24, number + 48], f"E{number}"))


def begun(
    root: ObjectPath, folder: Path, epochs: int, kind: type[Spool] = Spool
) -> tuple[HistoryWriter, Spool, list[dict[str, int | str]]]:
    """A first life after so many epochs, with the snapshot of each."""
    writer, spool = life(root, folder, kind)
    writer.restore(None)
    states = []
    for number in range(epochs):
        epoch(writer, number)
        states.append(writer.sync())
    return writer, spool, states


def ids_of(epochs: int) -> list[str]:
    """Event ids that so many epochs accept."""
    return sorted(f"E{n}-{hour}" for n in range(epochs) for hour in (n, n + 24, n + 48))


def settle(spool: Spool, seconds: float = 60.0) -> None:
    """Wait until the store has everything.

    Raises:
        TimeoutError: It has not in that time.
    """
    until = time.monotonic() + seconds
    while not spool.idle:
        if time.monotonic() > until:
            raise TimeoutError(f"{spool.files} files are still in the spool")
        time.sleep(0.01)


def main(root: str, folder: str, epochs: str) -> None:
    place, kept = located(root), Path(folder) / "snapshot.json"
    assert isinstance(place, ObjectPath)
    state = json.loads(kept.read_text()) if kept.exists() else {"epoch": 0, "history": None}
    writer, spool = life(place, Path(folder))
    writer.restore(state["history"])
    for number in range(state["epoch"], int(epochs)):
        epoch(writer, number)
        history = writer.sync()
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps({"epoch": number + 1, "history": history}))
        # Every other snapshot is lost with the process, as when the engine has not written it yet.
        if number % 2:
            os.replace(partial, kept)
    settle(spool)


if __name__ == "__main__":
    main(*sys.argv[1:])
