"""What a tool makes is written, or compared and named where it is stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.generated import write_or_check


def test_what_is_written_is_fresh_until_it_is_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = {tmp_path / "a.md": "ä\n", tmp_path / "b.md": "b\n"}
    assert write_or_check("tools.x", made, ["--check"]) == 1
    assert not list(tmp_path.iterdir()), "a check writes nothing"
    assert capsys.readouterr().err == "stale: a.md, b.md; run python -m tools.x\n"
    assert write_or_check("tools.x", made, []) == 0
    assert write_or_check("tools.x", made, ["--check"]) == 0
    (tmp_path / "b.md").write_text("other\n")
    assert write_or_check("tools.x", made, ["--check"]) == 1
    assert capsys.readouterr().err == "stale: b.md; run python -m tools.x\n"
