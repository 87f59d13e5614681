"""A put that was under way when its process died is carried out late: each row once, whenever that is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from sinks.history.compact import compact
from sinks.history.places import ObjectPath
from sinks.history.spool import AT_A_TIME
from tests.servers.object_stores import ObjectStoreServer
from tests.servers.slow_store import SlowStore
from tests.stores.case import in_raw, seen
from tests.stores.late_life import EPOCHS, KEPT, KINDS
from tests.stores.spool_life import epoch, ids_of, life, settle
from tests.unit.history_case import BEFORE, TOPIC

HERE = Path(__file__).parents[2]
#: When the late puts land.
MOMENTS = ["before the purge", "after the purge", "after all"]


def of_lost_epochs(method: str, path: str) -> bool:
    """A put of a file that the snapshot of the second life does not know."""
    named = re.search(r"-(\d{10})\.parquet", unquote(path))
    return method == "PUT" and named is not None and int(named[1]) >= 3 * KEPT


@pytest.fixture
def slow(server: ObjectStoreServer) -> Iterator[SlowStore]:
    with SlowStore(server.port, of_lost_epochs) as running:
        yield running


def killed(root: ObjectPath, folder: Path, server: ObjectStoreServer, slow: SlowStore, kind: str) -> None:
    """The first life, killed with its uploads under way."""
    command = [sys.executable, "-m", "tests.stores.late_life", str(root), str(folder), kind]
    with subprocess.Popen(command, env={**os.environ, **server.through(slow.port)}, cwd=HERE) as process:
        until = time.monotonic() + 120
        while len(slow.kept) < AT_A_TIME or not (folder / "states.json").exists():
            assert process.poll() is None
            assert time.monotonic() < until, "no upload is under way"
            time.sleep(0.01)
        process.kill()


def two_lives(
    root: ObjectPath, folder: Path, server: ObjectStoreServer, slow: SlowStore, kind: str, moment: str
) -> list[int]:
    """The second life goes on from an older snapshot and cuts its files otherwise; how the store answers late puts."""
    killed(root, folder, server, slow, kind)
    state = json.loads((folder / "states.json").read_text())[KEPT - 1]
    landed = slow.land() if moment == "before the purge" else []
    writer, spool = life(root, folder, KINDS[kind])
    purge: Callable[[], bool] = spool._purge

    def then_land() -> bool:
        done = purge()
        landed.extend(slow.land())
        return done

    if moment == "after the purge":
        spool._purge = then_land  # type: ignore[method-assign]
    writer.restore(state)
    for number in reversed(range(KEPT, EPOCHS)):
        epoch(writer, number)
    writer.sync()
    settle(spool)
    spool.close()
    return landed + slow.land()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_late_put_brings_no_row_back(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer, slow: SlowStore, moment: str
) -> None:
    landed = two_lives(root, tmp_path, server, slow, "Spool", moment)
    assert len(landed) == AT_A_TIME
    assert {200 <= status < 300 for status in landed} == {moment == "before the purge"}
    assert in_raw(root) == seen(root) == ids_of(EPOCHS)
    done = compact(root, TOPIC, BEFORE, lambda _: 10**9)
    assert done.rows == 3 * EPOCHS
    assert (in_raw(root), seen(root)) == ([], ids_of(EPOCHS))


def test_puts_without_conditions_bring_rows_back(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer, slow: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the test above: rows of the dead life replace and double those of the second."""
    monkeypatch.setattr("sinks.history.spool.upload", None)
    landed = two_lives(root, tmp_path, server, slow, "Overwriting", "after all")
    assert {200 <= status < 300 for status in landed} == {True}
    assert in_raw(root) != ids_of(EPOCHS)
