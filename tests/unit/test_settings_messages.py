"""What is wrong with a settings file or the options of a run on files is one sentence that names the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataflows.settings import ConfirmationsSettings
from millrace.cli.app import app
from millrace.errors import Misconfigured
from millrace.settings import load

WRONG = {
    "an unknown key": (b"windows: shift\n", "flow.yaml:1: windows: unknown key"),
    "no YAML": (b"window: shift\nkafka: [a\n", "flow.yaml:3: is not valid YAML: expected ',' or ']'"),
    "no UTF-8": (b"window: \xff\n", "flow.yaml: is not UTF-8: invalid start byte at byte 8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_settings_file_that_is_wrong_is_told_in_one_sentence_with_its_place(case: str, tmp_path: Path) -> None:
    text, told = WRONG[case]
    (tmp_path / "flow.yaml").write_bytes(text)
    with pytest.raises(Misconfigured) as error:
        load(ConfirmationsSettings, tmp_path / "flow.yaml", {})
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_settings_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as error:
        load(ConfirmationsSettings, tmp_path / "nope.yaml", {})
    assert str(error.value) == f"{tmp_path / 'nope.yaml'}: cannot be read: No such file or directory"


REFUSED = {
    "a contract that the flow does not take": (
        ["replenishment", "--contract", "MachineCycle"],
        "MachineCycle is no file, and no contract that the replenishment flow takes: InventoryBalance",
    ),
    "a file that the flow would not look at": (
        ["replenishment", "--contract", "InventoryBalance", "--orders", "o.csv", "--calendar", "c.yaml"],
        "--orders, --calendar: play no part in the replenishment flow",
    ),
    "confirmations given to the flow that makes them": (
        ["confirmations", "--contract", "MachineCycle", "--confirmations", "c.jsonl"],
        "--confirmations: play no part in the confirmations flow",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_run_on_files_refuses(case: str, tmp_path: Path) -> None:
    options, told = REFUSED[case]
    (tmp_path / "in.jsonl").write_text("")
    done = CliRunner().invoke(
        app, ["run", *options, "--input", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "o")]
    )
    assert isinstance(done.exception, Misconfigured)
    assert told in str(done.exception)
