"""The refused rows of a run on files, as files of their own: to be mended and run again.

Delivery: the originals are only read; a file that exists is not written over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from millrace.errors import Misconfigured
from millrace.ledger.letters import LetterFilter

LETTERS = "dead_letters.parquet"
#: Formats whose rows are lines that may stand alone.
TEXTS = (".csv", ".txt", ".tsv", ".jsonl", ".ndjson", ".json", ".log")
#: Lines that one row's quoted line breaks may span.
_MOST_LINES = 100


def write_rows(run: Path, out: Path, wanted: LetterFilter) -> dict[str, int]:
    """Copy the refused rows of a finished run, each file's under its own name, with its header.

    Args:
        run: Folder of the run.
        out: Folder for the rows.
        wanted: Reasons, classes and plants; the rest does not matter here.

    Returns:
        Rows by file.

    Raises:
        Misconfigured: The folder holds no finished run, an original is gone or is no text, or a file exists.
    """
    rows: dict[str, int] = {}
    out.mkdir(parents=True, exist_ok=True)
    for (name,), letters in _letters(run, wanted).group_by("file", maintain_order=True):
        original, target = Path(str(name)), out / Path(str(name)).name
        if target.exists():
            raise Misconfigured(f"{target}: exists already; choose another --out")
        lines = _lines(original)
        found = sorted(set(letters["line"].to_list()))
        target.write_bytes(b"".join(_chosen(lines, found)))
        rows[str(original)] = len(found)
    return rows


def _letters(run: Path, wanted: LetterFilter) -> pl.DataFrame:
    try:
        letters = pl.read_parquet(run / LETTERS)
    except OSError as error:
        raise Misconfigured(f"{run}: holds no {LETTERS} of a run on files") from error
    columns = (("reason", wanted.reasons), ("error_class", wanted.classes), ("plant", wanted.plants))
    chosen = [pl.col(name).is_in(list(values)) for name, values in columns if values]
    return letters.filter(pl.col("kind").cast(pl.String) == "RECORD", *chosen).sort("file", "line")


def _lines(original: Path) -> list[bytes]:
    if original.suffix.lower() not in TEXTS:
        raise Misconfigured(f"{original}: its rows are no lines of text; mend them where the file was made")
    try:
        return original.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise Misconfigured(f"{original}: {error.strerror}") from error


def _chosen(lines: Sequence[bytes], found: Sequence[int]) -> Iterator[bytes]:
    """The header, where there is one, and the rows that begin at these lines."""
    header = bool(lines) and not lines[0].lstrip().startswith((b"{", b"["))
    if header and 1 not in found:
        yield lines[0]
    for line in found:
        yield _row(lines, line, spans=header)


def _row(lines: Sequence[bytes], line: int, *, spans: bool) -> bytes:
    """A row with all lines that its quotes span; a quote that is never closed spans nothing."""
    row = lines[line - 1]
    last = line
    while spans and row.count(b'"') % 2 and last < min(len(lines), line + _MOST_LINES):
        row += lines[last]
        last += 1
    row = lines[line - 1] if row.count(b'"') % 2 else row
    return row if row.endswith((b"\n", b"\r")) else row + b"\n"


__all__ = ["write_rows"]
