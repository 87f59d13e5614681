"""Every command and option that README and docs show exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from millrace.cli.app import app

ROOT = Path(__file__).parents[2]
COMMANDS: Any = get_command(app)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: A call in a code span, or in a block of code with the lines that go on from it.
CALL = re.compile(r"`millrace ([^`\n]+)`|^\s*(?:\$ )?millrace ((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def calls(text: str) -> Iterator[str]:
    for span, line in CALL.findall(text):
        yield span or re.split(r"\s[#&|>;]", line.replace("\\\n", " "), maxsplit=1)[0]


def wrong(call: str) -> str | None:
    """What of a call does not exist; None where all does."""
    command, words = COMMANDS, call.split()
    while words and hasattr(command, "commands"):
        name = words[0].split("|")[0].strip("[],.;:")
        if name not in command.commands:
            break
        command, words = command.commands[name], words[1:]
    if command is COMMANDS:
        return f"no command {words[0]}" if re.fullmatch(r"[a-z][a-z-]+", words[0]) else None
    known = {name for param in command.params for name in param.opts} | {"--help"}
    if command.name == "query":
        return None  # parameters of views are options, too
    shown = {found for word in words for found in re.findall(r"^\[?(--[a-z][a-z-]*)", word)}
    return f"{command.name}: no {', '.join(sorted(shown - known))}" if shown - known else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_calls_is_there(page: Path) -> None:
    found = {call: wrong(call) for call in calls(page.read_text(encoding="utf-8"))}
    assert {call: why for call, why in found.items() if why} == {}


def test_a_command_and_an_option_that_are_not_there_are_found() -> None:
    """Negative control of the test above."""
    text = "see `millrace stauts --config FILE`\n\n$ millrace status --legder \\\n    URL --config FILE\n"
    assert [wrong(call) for call in calls(text)] == ["no command stauts", "status: no --legder"]
