"""The site about the contracts in a real browser: pages are laid out, pictures drawn, links lead somewhere."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from schemas.contracts import AVRO_FOLDER, contracts
from schemas.governance import site

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Measures a page in the browser and leaves what it found in the page's title.
MEASURE = """<script>addEventListener("load", () => {
  const inside = (text) => {
    const box = text.getBBox(), rect = text.parentNode.querySelector("rect").getBBox();
    return box.width > 0 && box.x >= rect.x && box.x + box.width <= rect.x + rect.width;
  };
  document.title = JSON.stringify({
    heading: document.querySelector("h1").textContent,
    wide: document.documentElement.scrollWidth > innerWidth,
    styled: getComputedStyle(document.querySelector("main")).maxWidth,
    boxes: document.querySelectorAll("svg rect").length,
    outside: [...document.querySelectorAll("svg text")].filter((t) => !inside(t)).map((t) => t.textContent),
    arrows: [...document.querySelectorAll("svg .arrow")].filter((a) => a.getTotalLength() > 0).length,
    links: [...document.querySelectorAll("a")].map((a) => a.getAttribute("href")),
    rows: document.querySelectorAll("tbody tr").length,
  });
});</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sentence = "Install Chromium to look at the contracts' site in a real browser."
        pytest.fail(sentence) if os.environ.get("CI") == "true" else pytest.skip(sentence)
    return found


def _opened(browser: str, page: Path, profile: Path, width: int = 1280) -> dict[str, Any]:
    page.write_text(page.read_text().replace("</body>", MEASURE + "</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    command = [browser, *options, f"--window-size={width},900", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    title = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    found: dict[str, Any] = json.loads(html.unescape(title.group(1)))
    return found


@pytest.mark.parametrize(("name", "width"), [("index", 1280), ("MachineCycle", 1280), ("WorkOrder", 500)])
def test_a_page_is_laid_out_in_a_real_browser(browser: str, tmp_path: Path, name: str, width: int) -> None:
    site.write(tmp_path / "site")
    found = _opened(browser, tmp_path / "site" / f"{name}.html", tmp_path / "profile", width)
    assert found["heading"] == ("Contracts" if name == "index" else name)
    assert found["styled"] != "none"
    assert not found["wide"]
    assert found["outside"] == []
    assert found["boxes"] >= 3
    assert found["arrows"] >= 2
    assert [link for link in found["links"] if not (tmp_path / "site" / link).is_file()] == []
    if name == "index":
        assert found["rows"] == len(contracts())
        assert {f"{each}.html" for each in contracts()} <= set(found["links"])
    else:
        assert found["rows"] > len(contracts()[name].fields)


def test_a_picture_whose_text_leaves_its_box_is_found(browser: str, tmp_path: Path) -> None:
    """Else the measuring above could be blind."""
    folder = Path(shutil.copytree(AVRO_FOLDER, tmp_path / "avro"))
    schema = json.loads((folder / "Alert.avsc").read_text())
    schema["consumers"] = ["team:" + "very-" * 20 + "long"]
    (folder / "Alert.avsc").write_text(json.dumps(schema))
    site.write(tmp_path / "site", folder)
    found = _opened(browser, tmp_path / "site" / "Alert.html", tmp_path / "profile")
    assert found["outside"] == schema["consumers"]
