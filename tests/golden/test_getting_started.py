"""The walk of docs/getting-started.md on a file of one's own ends as the page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "getting-started.md").read_text()
FILES = dict(re.findall(r"<!-- walk: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the page's command on the page's files."""
    folder = tmp_path_factory.mktemp("walk")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    command = re.search(r"^\$ millrace (run confirmations .*?)\n```", PAGE, re.DOTALL | re.MULTILINE)
    assert command is not None
    arguments = command[1].replace("\\\n", " ").split()
    done = subprocess.run(
        [sys.executable, "-m", "millrace", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    found: dict[str, Any] = json.loads((folder / "out" / "summary.json").read_text())
    return found


def test_the_walk_counts_as_the_page_says(summary: dict[str, Any]) -> None:
    assert summary["rows"] == {"read": 5, "mapped": 4, "rejected": 1, "filtered": 0}
    assert summary["records"]["MachineCycle"]["duplicates"] == 1
    assert summary["records"]["MachineCycle"]["in_documents"] == 2
    assert {(letter["reason"], letter["field"]) for letter in summary["dead_letters"]} == {
        ("missing", "quantity_good"),
        ("order_unknown", "order_id"),
    }
    assert summary["reconciles"]


def test_the_walk_ends_with_the_yield_that_the_page_names(summary: dict[str, Any]) -> None:
    (operation,) = summary["operations"]
    assert (operation["quantity_yield"], operation["quantity_scrap"]) == ("1238.5", "2.5")
    assert f"yield of {operation['quantity_yield']} kg" in PAGE
