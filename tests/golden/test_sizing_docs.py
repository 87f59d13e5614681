"""The page of sizes says what the benchmarks measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tools import sizing_docs


def test_the_page_of_sizes_is_fresh() -> None:
    """Run `python -m tools.sizing_docs` after a benchmark."""
    assert sizing_docs.main(["--check"]) == 0


def test_another_result_makes_another_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(sizing_docs.RESULTS, tmp_path, dirs_exist_ok=True)
    found = json.loads((tmp_path / "flow.json").read_text())
    found["cpu_us_per_event"]["latency"] *= 2
    (tmp_path / "flow.json").write_text(json.dumps(found))
    monkeypatch.setattr(sizing_docs, "RESULTS", tmp_path)
    assert sizing_docs.main(["--check"]) == 1
