"""The marked commands of docs/first-plant.md run as they are written and end as the page says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "first-plant.md").read_text()
FILES = dict(re.findall(r"<!-- walk: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
BLOCKS = re.findall(r"<!-- run: (\d) -->\n```console\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The walk, done."""
    place = tmp_path_factory.mktemp("plant")
    for name, text in FILES.items():
        (place / name).write_text(text)
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    for expected, block in BLOCKS:
        for line in re.findall(r"^\$ millrace (.+)$", block, re.MULTILINE):
            command = [sys.executable, "-m", "millrace", *shlex.split(line)]
            done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == int(expected), f"{line}\n{done.stdout}{done.stderr}"
    return place


def test_the_walk_ends_with_the_yield_that_the_page_names(folder: Path) -> None:
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["reconciles"]
    (operation,) = summary["operations"]
    assert f"a yield of {operation['quantity_yield']} pieces" in PAGE


def test_the_page_has_something_to_run() -> None:
    assert len(BLOCKS) == 2
    assert {"flow.yaml", "post.yaml", "mapping.yaml"} <= FILES.keys()
