"""A flow with a spool that is killed at any of its fail points: each row once in the store."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sinks.history.spool
from sinks.history.places import ObjectPath
from tests.servers.object_stores import ObjectStoreServer
from tests.stores.case import in_raw
from tests.stores.spool_life import ids_of

HERE = Path(__file__).parents[2]
EPOCHS = 6
#: Of the writer, and of the thread that uploads; the second time, files of earlier lives lie around.
POINTS = [
    *("history.before_rename@5", "history.after_rename@5"),
    *("spool.after_upload", "spool.after_upload@4", "spool.before_mark", "spool.after_mark"),
]


def live(root: ObjectPath, folder: Path, point: str = "") -> int:
    command = [sys.executable, "-m", "tests.stores.spool_life", str(root), str(folder), str(EPOCHS)]
    return subprocess.run(command, env={**os.environ, "MILLRACE_FAILPOINT": point}, cwd=HERE, check=False).returncode


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_loses_and_doubles_nothing(
    root: ObjectPath, tmp_path: Path, point: str, server: ObjectStoreServer
) -> None:
    """Killed once where it stands, once more while it tidies up what it uploaded too early, then left alone.

    The writer's kills come a second time while the store is down.
    """
    assert live(root, tmp_path, point) == -9
    if point.startswith("history"):
        server.link.cut()
        assert live(root, tmp_path, point) == -9
        server.link.heal()
    for early in ("spool.before_purge", "spool.before_fence", "spool.before_fence@2"):
        assert live(root, tmp_path, early) in (0, -9)
    assert live(root, tmp_path) == 0
    assert in_raw(root) == ids_of(EPOCHS)
    assert list((tmp_path / "spool").rglob("*.parquet")) == []


def test_every_fail_point_of_the_spool_is_tried() -> None:
    text = "".join(path.read_text() for path in Path(str(sinks.history.spool.__file__)).parent.glob("spool*.py"))
    named = set(re.findall(r"hit\(\"([^\"]+)\"\)", text))
    assert named <= {*(point.partition("@")[0] for point in POINTS), "spool.before_purge", "spool.before_fence"}
