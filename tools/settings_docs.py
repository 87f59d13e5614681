"""Writes docs/settings.md from the settings models: `python -m tools.settings_docs`; `--check` compares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from millrace.cli.settings_page import meanings, page
from tools.generated import write_or_check

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` compare it; 1 where it is stale."""
    return write_or_check("tools.settings_docs", {PAGE: page()}, arguments)


__all__ = ["PAGE", "main", "meanings", "page"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
