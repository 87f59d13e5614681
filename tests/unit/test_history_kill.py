"""A compaction that is killed at any of its fail points: each row once for every reader, then and after the next."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sinks.history
from sinks.history.compact import compact, only_one
from sinks.history.manifest import read_manifest, write_manifest
from tests.unit.history_case import BEFORE, TOPIC, add, fill, in_days, in_raw, seen

ROOT = Path(__file__).parents[2]
ONE_RUN = """
import sys
from datetime import date
from pathlib import Path
from sinks.history.compact import compact, only_one
from sinks.history.manifest import write_manifest
root = Path(sys.argv[1])
with only_one(root):
    compact(root, "machine-cycle", date(2026, 3, 4), lambda name: 70)
    write_manifest(root, "machine-cycle", None)
"""
#: Every fail point of compaction; `@2` is at the second of two days.
POINTS = [
    *("history.before_publish", "history.before_publish@2", "history.after_publish", "history.after_publish@2"),
    *("history.between_removals", "history.between_removals@2", "history.between_removals@4"),
    *("history.before_manifest", "history.after_manifest"),
]


def killed(root: Path, point: str) -> None:
    command = [sys.executable, "-c", ONE_RUN, str(root)]
    assert subprocess.run(command, env={"MILLRACE_FAILPOINT": point}, cwd=ROOT, check=False).returncode == -9


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_shows_no_row_twice_and_hides_none(tmp_path: Path, point: str) -> None:
    """The first day has a file already and gets late rows, the second is new."""
    everything = fill(tmp_path, 24)
    compact(tmp_path, TOPIC, BEFORE, lambda _: 50)
    add(tmp_path, [3, 4, 26, 27], 50, "LATE")
    add(tmp_path, [5, 28], 60, "LATE")
    late = sorted([*everything, *(f"LATE-{n}" for n in (3, 4, 5, 26, 27, 28))])
    killed(tmp_path, point)
    assert seen(tmp_path) == late
    plain = in_days(tmp_path)
    assert len(plain) == len(set(plain))
    assert set(everything) <= set(plain)
    with only_one(tmp_path):
        compact(tmp_path, TOPIC, BEFORE, lambda _: 70)
        write_manifest(tmp_path, TOPIC, None)
    assert seen(tmp_path) == in_days(tmp_path) == late
    assert in_raw(tmp_path) == []
    assert not list(tmp_path.rglob("*.partial"))
    manifest = read_manifest(tmp_path, TOPIC)
    assert manifest is not None
    assert (manifest["rows"], manifest["waiting_files"]) == (len(late), 0)


def test_every_fail_point_of_the_history_is_tried() -> None:
    folder = Path(sinks.history.__file__).parent
    text = "".join(path.read_text() for path in folder.glob("*.py"))
    named = set(re.findall(r"hit\(\"(history\.[^\"]+)\"\)", text))
    assert named == {point.partition("@")[0] for point in POINTS}
