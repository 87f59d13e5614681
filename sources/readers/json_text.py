"""JSON Lines and free text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from schemas.mapping import Mapping, json_rows
from schemas.mapping.formats import JsonLines, Text
from sources.readers.chunk import Chunk
from sources.readers.csv_text import lines_as_rows
from sources.readers.lines import BLANKS, read_lines


def read_json_lines(path: Path, mapping: Mapping, form: JsonLines, size: int, start: int = 1) -> Iterator[Chunk]:
    """Rows of a file with one JSON object a line; blank lines are no rows."""
    final = form.final_newline == "required"
    for lines in read_lines(path, form.encoding, size, max(start, form.skip_lines + 1), final_newline=final):
        records = [
            (text, lines.first + i) for i, text in enumerate(lines.texts) if text is not None and text.strip(BLANKS)
        ]
        read = json_rows.read_json([text for text, _ in records], [line for _, line in records], mapping)
        torn = sorted([*lines.torn, *read.rejects], key=lambda reject: reject.line)
        yield Chunk(read.rows, lines.first + len(lines.texts), torn)


def read_text(path: Path, form: Text, size: int, start: int = 1) -> Iterator[Chunk]:
    """Lines of a file as the column `line`; blank lines are no rows."""
    final = form.final_newline == "required"
    for lines in read_lines(path, form.encoding, size, max(start, form.skip_lines + 1), final_newline=final):
        yield Chunk(lines_as_rows(lines), lines.first + len(lines.texts), list(lines.torn))
