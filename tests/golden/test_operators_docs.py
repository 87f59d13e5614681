"""Pages for operators name commands, options, metrics and files that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from millrace.cli.app import app

ROOT = Path(__file__).parents[2]
PACKAGES = ("dataflows", "operators", "sources", "sinks", "millrace", "schemas", "sandbox")
COMMAND = re.compile(r"(?:`|\$ (?:\S*/)?|exec \S+ -- |ExecStart=\S*/)millrace ([a-z][^`#\n]*(?:\\\n[^`#\n]*)*)")
ROOT_COMMAND = typer.main.get_command(app)


def pages() -> list[Path]:
    return [
        ROOT / "README.md",
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "docs" / "runbooks").glob("*.md")),
    ]


def called(text: str) -> Iterator[str]:
    """Command lines of Millrace within a page, each without its comment."""
    for match in COMMAND.finditer(text):
        yield " ".join(match[1].replace("\\\n", " ").split())


def wrong(line: str) -> str | None:
    """What of a command line does not exist."""
    command: Any = ROOT_COMMAND
    for word in line.split():
        if word in {"|", "||", "&&", ";", ">"}:
            break
        commands = getattr(command, "commands", None)
        if commands is not None and re.fullmatch(r"[a-z][a-z-]*", word):
            if word not in commands:
                return f"no command {word!r}"
            command = commands[word]
        elif word.startswith("--") and not command.context_settings.get("ignore_unknown_options"):
            known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
            if word.split("=")[0].rstrip(".,;:)]") not in {*known, "--help"}:
                return f"no option {word}"
    return None


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    told = {line: problem for line in called(page.read_text()) if (problem := wrong(line))}
    assert told == {}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ledger downgrde --ledger URL", "no command 'downgrde'"),
        ("state inspect --configg flow.yaml", "no option --configg"),
        ("state inspect --config flow.yaml", None),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, told: str | None) -> None:
    assert wrong(line) == told


def test_the_pages_have_commands_to_look_at() -> None:
    """The pattern finds what it should."""
    assert sum(1 for page in pages() for _ in called(page.read_text())) > 100


def imports_the_engine(path: Path) -> bool:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names.update(each.name for each in node.names)
    return any(name == "bytewax" or name.startswith("bytewax.") for name in names)


def test_the_faq_names_every_file_that_knows_the_engine() -> None:
    page = (ROOT / "docs" / "faq.md").read_text()
    table = page.partition("<!-- engine -->")[2].partition("<!-- /engine -->")[0]
    named = set(re.findall(r"`(\w+/\w+\.py)`", table))
    found = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if imports_the_engine(path)
    }
    assert named == found


def test_every_page_is_linked_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    missing = [
        page.name for page in (ROOT / "docs").glob("*.md") if f"({page.name})" not in index and page.name != "index.md"
    ]
    assert missing == []
