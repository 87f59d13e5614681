"""Files that a tool makes from something else: written, or with `--check` compared."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_or_check(tool: str, made: Mapping[Path, str], arguments: Sequence[str]) -> int:
    """Write files, or with `--check` compare them; 1 where one is stale.

    Args:
        tool: Module that makes them, for the sentence of what to do.
        made: What they have to hold.
        arguments: Of the command line.
    """
    if "--check" not in arguments:
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in made.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if stale:
        print(f"stale: {', '.join(stale)}; run python -m {tool}", file=sys.stderr)
    return 1 if stale else 0
