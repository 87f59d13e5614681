"""The analysts' notebook runs on a simulated day, and draws the pictures that docs/analysts.md shows."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import matplotlib as mpl
import pytest

from sandbox.plant import Plant
from sandbox.plant_history import compact_all, write_history
from tools import notebook

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "analysts" / "plant_day.ipynb"
PAGE = (ROOT / "docs" / "analysts.md").read_text()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Title, labels and file of each picture, from running every cell of the notebook in turn."""
    folder = tmp_path_factory.mktemp("pictures")
    write_history(Plant(4, datetime(2026, 3, 2, 5, tzinfo=UTC), 10), folder / "history")
    compact_all(folder / "history", date.max)
    with pytest.MonkeyPatch.context() as patched, mpl.rc_context():
        patched.setenv("HISTORY", str(folder / "history"))
        patched.setenv("PICTURES", str(folder))
        mpl.use("Agg")
        known: dict[str, object] = {}
        for cell in json.loads(NOTEBOOK.read_text())["cells"]:
            if cell["cell_type"] == "code":
                exec(cell["source"], known)  # noqa: S102 - a notebook of our own
        figures = [mpl.pyplot.figure(number) for number in mpl.pyplot.get_fignums()]
        found = [_told(figure.axes[0]) for figure in figures]
        mpl.pyplot.close("all")
    files = sorted(folder.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    return [{**told, "file": path.name} for told, path in zip(found, files, strict=True)]


def _told(axis: object) -> dict[str, str]:
    return {
        "title": axis.get_title(loc="left"),  # type: ignore[attr-defined]
        "x": axis.get_xlabel(),  # type: ignore[attr-defined]
        "drawn": str(len(axis.patches) + len(axis.lines)),  # type: ignore[attr-defined]
    }


def test_every_picture_has_a_title_and_a_labelled_axis_and_is_not_empty(drawn: list[dict[str, str]]) -> None:
    assert len(drawn) == 4
    assert all(each["title"] and each["x"] for each in drawn)
    assert all(int(each["drawn"]) >= 3 for each in drawn)


def test_the_page_shows_the_pictures_that_the_notebook_draws(drawn: list[dict[str, str]]) -> None:
    shown = re.findall(r"\]\(images/([\w-]+\.png)\)", PAGE)
    assert shown == [each["file"] for each in drawn]
    assert all((ROOT / "docs" / "images" / name).is_file() for name in shown)


def test_the_notebook_is_the_script() -> None:
    assert notebook.main(["--check"]) == 0
    assert "query(history" in NOTEBOOK.read_text()
