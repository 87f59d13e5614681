"""The page on connectors is true: its files, taken literally, pass the conformance suite, and spoilt ones do not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "write-a-connector.md").read_text("utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
LINES = dict(re.findall(r"<!-- lines: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
COMMAND = re.search(r"<!-- command: suite -->\n```\n\$ python (.*?)\n```", PAGE)
COPIED = ("dataflows", "millrace", "operators", "sandbox", "schemas", "sinks", "sources", "tests", "tools", "docs")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which a reader has followed the page."""
    folder = tmp_path_factory.mktemp("reader")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.jar"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    for name, text in LINES.items():
        imported, entry = text.splitlines()
        edited = (folder / name).read_text("utf-8")
        edited = edited.replace("from sinks.erp.connector import", f"{imported}\nfrom sinks.erp.connector import", 1)
        edited = re.sub(r"(CONNECTORS: .*? = \{\n)", rf"\1{entry}\n", edited, count=1)
        (folder / name).write_text(edited, "utf-8")
    run(folder, "-m", "tools.settings_docs")
    with (folder / "docs" / "posting.md").open("a", encoding="utf-8") as page:
        page.write("\n`halden`: production report\n")
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_pages_connector_passes_the_suite(checkout: Path) -> None:
    assert COMMAND is not None
    done = run(checkout, *COMMAND[1].split(), "-p", "no:cacheprovider")
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0, done.stdout
    assert passed is not None
    assert int(passed[1]) > 100


SPOILT = {
    "believes any answer": (
        '        if found["ok"] is True:\n            return _booked(step, found["report"])',
        "        return Verdict(Kind.BOOKED, erp_document='1')",
        "an_answer_lost_after_the_booking",
    ),
    "rejects what it cannot read": (
        '        found = json.loads(answer.body)\n        if found["ok"] is True',
        "        try:\n            found = json.loads(answer.body)\n        except ValueError:\n"
        '            return Verdict(Kind.REJECTED, reason="x")\n        if found["ok"] is True',
        "an_answer_lost_after_the_booking",
    ),
    "takes an unreadable look-up for absence": (
        '        found = json.loads(answer.body)\n        if found["ok"] is not True',
        "        try:\n            found = json.loads(answer.body)\n        except ValueError:\n"
        '            return Verdict(Kind.ABSENT)\n        if found["ok"] is not True',
        "a_lookup_that_fails",
    ),
    "knows no lock": ('frozenset({"BUSY"})', "frozenset()", "a_lock_is_tried_again"),
    "checks no lengths": ("        _check(body)\n", "", "a_hostile_id"),
    "puts keys into the path as they are": (
        '"POST", "reports", _JSON',
        '"POST", f"reports?order={step.order_id}", _JSON',
        "a_hostile_id",
    ),
    "cannot be asked but says so nowhere": (
        '        return Request("GET", f"reports?ref={_reference(step)}", {"Accept": "application/json"})',
        "        return None",
        "a_request_lost_before_the_booking",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_naive_connector_is_caught(checkout: Path, name: str) -> None:
    """Negative control: each of these mistakes turns a test of the suite red."""
    right, wrong, caught_by = SPOILT[name]
    path = checkout / "sinks" / "erp" / "halden.py"
    text = path.read_text("utf-8")
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), "utf-8")
    chosen = ("-k", f"halden and {caught_by}", "-x", "-p", "no:cacheprovider")
    try:
        done = run(checkout, "-m", "pytest", "-q", "tests/conformance", *chosen)
    finally:
        path.write_text(text, "utf-8")
    assert done.returncode == 1, done.stdout
    assert " failed" in done.stdout


def test_the_example_of_settings_is_one_that_the_poster_takes(checkout: Path) -> None:
    example = re.search(r"```yaml\n(systems:.*?)```", PAGE, re.DOTALL)
    assert example is not None
    (checkout / "post.yaml").write_text(f"ledger: sqlite:///x\n{example[1]}", "utf-8")
    check = (
        "from pathlib import Path; from millrace.settings import load; from sinks.erp.settings import PosterSettings;"
        "from sinks.erp.registry import create; [s] = load(PosterSettings, Path('post.yaml'), {}).systems;"
        "create(s.connector, s.options)"
    )
    assert run(checkout, "-c", check).stderr == ""
