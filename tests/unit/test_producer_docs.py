"""The page for producers tells what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import schemas.registry
from sandbox.broker import EmbeddedBroker
from schemas.registry import FolderSchemas

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "producers.md").read_text()
EXAMPLES = ROOT / "examples" / "producers"


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_python_of_the_page_sends_its_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schemas.registry, "RegistrySchemas", lambda _url: FolderSchemas())
    with EmbeddedBroker() as broker:
        broker.create_topics(["machine-cycle"])
        code = block("python").replace("kafka-1:9092", broker.bootstrap).replace("/var/lib/press-01", str(tmp_path))
        exec(compile(code, "docs/producers.md", "exec"), {})  # noqa: S102  # the page's own code
    printed = capsys.readouterr().out
    assert printed.startswith("[1] Status(waiting=")
    assert printed.endswith(" 0\n")


@pytest.mark.parametrize("language", ["java", "js"])
def test_what_the_page_shows_of_an_example_stands_in_it(language: str) -> None:
    files = [path for path in EXAMPLES.rglob(f"*.{language}") if "node_modules" not in path.parts]
    lines = {line.strip() for path in files for line in path.read_text().splitlines()}
    assert [line for line in block(language).splitlines() if line.strip() not in lines] == []
