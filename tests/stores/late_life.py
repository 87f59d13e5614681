"""A life of a flow that is killed while its uploads are under way.

`python -m tests.stores.late_life ROOT FOLDER [KIND]`: two epochs that the store gets, four that it is to get at once,
the snapshots of all in `states.json`, and then it waits to be killed. KIND names the class of its spool.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from sinks.history import spool as spools
from sinks.history.places import ObjectPath, located
from sinks.history.spool import Spool
from sinks.history.store import answered, below, client, remove
from tests.stores.spool_life import epoch, life

EPOCHS, KEPT = 6, 2


class Overwriting(Spool):
    """Negative control: puts over whatever is there, and only removes what counts no more."""

    def resume(self, writer: str, number: int) -> None:
        spools.upload = overwrite  # type: ignore[assignment]
        super().resume(writer, number)

    def doubt(self, path: Path) -> None: ...

    def _purge(self) -> bool:
        for found in below(self._store, ".parquet"):
            if int(found.path.stem.rpartition("-")[2]) >= self._uploaded:
                remove(found.path)
        return True


async def overwrite(local: Path, target: ObjectPath) -> None:
    """A put without conditions."""
    with answered(target), local.open("rb") as opened:
        await client(target.bucket).put_async(target.key, opened)


KINDS = {"Spool": Spool, "Overwriting": Overwriting}


def main(root: str, folder: str, kind: str = "Spool") -> None:
    place = located(root)
    assert isinstance(place, ObjectPath)
    writer, spool = life(place, Path(folder), KINDS[kind])
    writer.restore(None)
    states, gate, upload = [], threading.Event(), spool._upload

    def all_at_once() -> None:
        gate.wait()
        upload()

    for number in range(EPOCHS):
        epoch(writer, number)
        states.append(writer.sync())
        if number + 1 == KEPT:
            while spool.uploaded < states[-1]["number"]:
                time.sleep(0.01)
            spool._upload = all_at_once  # type: ignore[method-assign]
    gate.set()
    (Path(folder) / "states.json").write_text(json.dumps(states))
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
