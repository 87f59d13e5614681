"""Notebooks from scripts with cells: `python -m tools.notebook` writes them, `--check` fails when one is stale.

A cell begins with `# %%`, one of text with `# %% [markdown]`. The script is what one edits; the notebook has no
outputs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.generated import write_or_check

SCRIPTS = sorted((Path(__file__).parent.parent / "examples" / "analysts").glob("*.py"))
_KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def notebook(script: str) -> str:
    """A script as a notebook of format 4.5."""
    parts = re.split(r"^# %%(.*)\n", script, flags=re.MULTILINE)[1:]
    cells = [_cell(number, kind, body) for number, (kind, body) in enumerate(zip(parts[::2], parts[1::2], strict=True))]
    return json.dumps({"cells": cells, "metadata": _KERNEL, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _cell(number: int, kind: str, body: str) -> dict[str, Any]:
    common: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}}
    if "markdown" in kind:
        lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
        return {"cell_type": "markdown", **common, "source": "\n".join(lines)}
    return {"cell_type": "code", **common, "execution_count": None, "outputs": [], "source": body.strip()}


def main(arguments: Sequence[str] = ()) -> int:
    """Write the notebooks, or with `--check` compare them; 1 where one is stale."""
    made = {script.with_suffix(".ipynb"): notebook(script.read_text(encoding="utf-8")) for script in SCRIPTS}
    return write_or_check("tools.notebook", made, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
