"""Every command's help tells a new user what its exit codes mean and shows a call that the parser takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from millrace import __version__
from millrace.cli import main
from millrace.cli.app import app

ROOT: Any = get_command(app)
#: One wording for what may be said of any option.
NOT_SAID = ("again for more", "may be repeated", "as sqlite:")
#: What an option of this name says wherever a command has it.
SAME = {"--ledger": "URL of the ledger", "--root": "History", "--reason": "Why"}


def commands(command: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands that are no group."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from commands(below, (*path, name))


LEAVES = [pytest.param(path, command, id=" ".join(path)) for path, command in commands()]


def above(path: tuple[str, ...]) -> Iterator[str]:
    """Help of a command and of the groups that it is in, but for the first of all."""
    command = ROOT
    for name in path:
        command = command.commands[name]
        yield command.help or ""


def examples(text: str) -> list[list[str]]:
    return [
        shlex.split(found)[1:] for found in re.findall(r"(?:Example|Or): `(millrace [^`]*)`", " ".join(text.split()))
    ]


@pytest.mark.parametrize(("path", "command"), LEAVES)
def test_exit_codes_are_told_by_the_command_or_its_group(path: tuple[str, ...], command: Any) -> None:
    assert any(re.search(r"[Ee]xit codes?\b", text) for text in above(path)), command.help


@pytest.mark.parametrize(("path", "command"), [each for each in LEAVES if each.id != "version"])
def test_an_example_is_shown_that_the_parser_takes(path: tuple[str, ...], command: Any) -> None:
    shown = examples(command.help)
    assert shown, command.help
    for arguments in shown:
        assert arguments[: len(path)] == list(path)
        command.make_context(" ".join(path), arguments[len(path) :])


def test_an_example_with_an_unknown_option_would_be_found() -> None:
    """Negative control of the test above."""
    command = ROOT.commands["status"]
    with pytest.raises(Exception, match="No such option"):
        command.make_context("status", ["--unknown"])


@pytest.mark.parametrize(("path", "command"), LEAVES)
def test_options_and_arguments_are_called_alike_everywhere(path: tuple[str, ...], command: Any) -> None:
    for param in command.params:
        said = getattr(param, "help", None)
        assert said, (path, param.name)
        assert not [phrase for phrase in NOT_SAID if phrase in said], (path, param.name, said)
        if param.param_type_name == "argument":
            assert re.fullmatch(r"[A-Z|]+", param.metavar or ""), (path, param.name, param.metavar)
        elif param.multiple and not param.opts[0].startswith("--mapping"):
            assert "may be given again" in said, (path, param.name, said)
        for name, begin in SAME.items():
            if name in param.opts:
                assert said.startswith(begin), (path, name, said)
    names = {name for param in command.params for name in param.opts}
    assert "--why" not in names or "--reason" in names


def test_the_help_and_the_version_are_where_people_look_for_them() -> None:
    runner = CliRunner()
    for arguments in (["--version"], ["version"]):
        assert runner.invoke(app, arguments).output.strip() == __version__
    assert "Exit codes" in runner.invoke(app, ["-h"]).output
    assert "Exit codes" in runner.invoke(app, ["dlq", "-h"]).output


def test_health_has_the_short_help_too_though_it_starts_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["millrace", "health", "-h"])
    with pytest.raises(SystemExit):
        main()
    assert "Exit codes" in capsys.readouterr().out
