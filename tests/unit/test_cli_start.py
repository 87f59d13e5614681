"""What is started often and waited for imports what it needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_ASKED = """
import json, sys
sys.argv = ["millrace", *sys.argv[1:]]
from millrace.cli import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)
"""
#: What other commands need: postings over HTTP, contracts, the history's tables.
OTHERS = {"millrace.cli.contracts", "millrace.cli.query", "millrace.cli.history", "millrace.cli.demo"}


def imported(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", _ASKED, *arguments], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert status == 0
    return set(modules)


@pytest.mark.parametrize(
    ("command", "more"), [("run", {"aiohttp", "millrace.cli.post"}), ("post", {"dataflows.replay"})]
)
@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_a_flow_and_a_poster_start_without_the_other_commands(command: str, more: set[str], asked: str) -> None:
    """They are a third of the seconds to a flow's first batch."""
    assert imported(command, asked) & (OTHERS | more) == set()


def test_the_help_of_everything_imports_them_all() -> None:
    """Negative control."""
    assert imported("--help") >= OTHERS


def test_what_is_wrong_is_said_in_a_sentence_there_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "millrace", "run", "nonsense"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "millrace: " in done.stderr) == (2, True), done.stderr
