"""Writes docs/settings.md from the settings models: `python -m tools.settings_docs`; `--check` compares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from millrace.cli.settings_page import meanings, page

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` compare it; 1 where it is stale."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.name} is stale: run python -m tools.settings_docs", file=sys.stderr)
    return 1


__all__ = ["PAGE", "main", "meanings", "page"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
