"""Delimited text: quoted line breaks, torn lines, wrong numbers of cells."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from millrace.errors import Misconfigured
from schemas.mapping import RowReject
from schemas.mapping.formats import Csv
from schemas.mapping.reasons import sentence
from sources.readers.chunk import Chunk
from sources.readers.lines import BLANKS, Lines, read_lines

Texts = list[str | None]


def read_csv(path: Path, form: Csv, size: int, start: int = 1) -> Iterator[Chunk]:
    """Rows of a CSV file.

    Args:
        path: Plain or gzip file.
        form: How it is written.
        size: Physical lines a chunk.
        start: Line to go on at, as an earlier chunk's `next_row` said; 1 for the beginning.

    Raises:
        Misconfigured: The header cannot be read, or names a column twice.
    """
    header, first = _header(path, form) if form.header else ([], form.skip_lines + 1)
    if form.columns and header and len(form.columns) != len(header):
        raise Misconfigured(f"{path}: columns names {len(form.columns)} columns, the header has {len(header)}")
    parser = _Parser(form, form.columns or header)
    final = form.final_newline == "required"
    held: Texts = []
    for lines in read_lines(path, form.encoding, size, max(first, start), final_newline=final):
        texts = held + lines.texts
        begin = lines.first - len(held)
        rows = parser.parse(texts, begin, last=lines.last)
        held = texts[len(texts) - rows.held :] if rows.held else []
        torn = sorted([*lines.torn, *rows.torn], key=lambda reject: reject.line)
        yield Chunk(rows.frame, begin + len(texts) - rows.held, torn)


def _header(path: Path, form: Csv) -> tuple[list[str], int]:
    """Names of the columns and the line behind the header; no names for an empty file."""
    parser = _Parser(form, None)
    # The header is looked for in the first lines only; it may itself hold quoted line breaks.
    for lines in read_lines(path, form.encoding, form.max_lines_per_row + 100, form.skip_lines + 1):
        for begin, text in enumerate(lines.texts):
            if text is None:
                raise Misconfigured(f"{path}:{lines.first + begin}: the header cannot be read: {lines.torn[0].detail}")
            if parser.skipped(text):
                continue
            cells, used = parser.record(lines.texts[begin:])
            if cells is None:
                raise Misconfigured(f"{path}:{lines.first + begin}: the header cannot be read as CSV")
            return (cells if form.columns else _named(cells, path)), lines.first + begin + used
    return [], form.skip_lines + 1


def _named(cells: list[str], path: Path) -> list[str]:
    names = [cell.strip() or f"column_{i + 1}" for i, cell in enumerate(cells)]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise Misconfigured(f"{path}: the header names the column '{double}' twice; name them under format.columns")
    return names


@dataclass(slots=True)
class _Rows:
    """Parsed rows; `held` lines at the end belong to a row that goes on in the next piece."""

    frame: pl.DataFrame
    torn: list[RowReject] = field(default_factory=list)
    held: int = 0


class _Parser:
    """Turns lines into rows of cells; a row's cells must be as many as the columns."""

    def __init__(self, form: Csv, names: list[str] | None) -> None:
        self.form = form
        self.names = names or []
        self.schema = {**dict.fromkeys(self.names, pl.String), "_line": pl.Int64, "_raw": pl.String}

    def skipped(self, text: str) -> bool:
        """Whether a line is no row: blank, or a comment."""
        return not text.strip(BLANKS) or bool(self.form.comment and text.startswith(self.form.comment))

    def parse(self, texts: Texts, first: int, *, last: bool) -> _Rows:
        if not self.form.quote or not any(self.form.quote in text for text in texts if text is not None):
            return self._plain(texts, first)
        return self._quoted(texts, first, last=last)

    def _plain(self, texts: Texts, first: int) -> _Rows:
        """All lines at once: nothing is quoted."""
        frame = pl.DataFrame({"_raw": texts}, schema={"_raw": pl.String}).with_row_index("_line", first)
        frame = frame.filter(pl.col("_raw").str.strip_chars(BLANKS) != "").with_columns(pl.col("_line").cast(pl.Int64))
        if self.form.comment:
            frame = frame.filter(~pl.col("_raw").str.starts_with(self.form.comment))
        cells = frame["_raw"].str.split(self.form.delimiter)
        fits = cells.list.len() == len(self.names)
        wrong = frame.with_columns(cells=cells.list.len()).filter(~fits)
        torn = [
            self._wrong_width(line, raw, count)
            for raw, line, count in wrong.select("_raw", "_line", "cells").iter_rows()
        ]
        kept, cells = frame.filter(fits), cells.filter(fits)
        columns = [cells.list.get(i).alias(name) for i, name in enumerate(self.names)]
        return _Rows(pl.DataFrame([*columns, kept["_line"], kept["_raw"]], schema=self.schema), torn)

    def _quoted(self, texts: Texts, first: int, *, last: bool) -> _Rows:
        rows: list[list[str]] = []
        lines: list[int] = []
        raws: list[str] = []
        torn: list[RowReject] = []
        i = 0
        while i < len(texts):
            text = texts[i]
            if text is None or self.skipped(text):
                i += 1
                continue
            cells, used = self.record(texts[i : i + self.form.max_lines_per_row])
            if cells is None and used and not last and i + used >= len(texts) and used < self.form.max_lines_per_row:
                return self._frame(rows, lines, raws, torn, held=len(texts) - i)
            if cells is not None and len(cells) == len(self.names):
                rows.append(cells)
                lines.append(first + i)
                raws.append(text if used == 1 else "\n".join(t for t in texts[i : i + used] if t is not None))
                i += used
                continue
            # Whatever follows a torn line is read afresh: one lost quote must not swallow the rest of the
            # file.
            torn.append(self._torn(first + i, text, cells, used))
            i += 1
        return self._frame(rows, lines, raws, torn, held=0)

    def _frame(
        self, rows: list[list[str]], lines: list[int], raws: list[str], torn: list[RowReject], *, held: int
    ) -> _Rows:
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self.names)
        series = [pl.Series(name, column, dtype=pl.String) for name, column in zip(self.names, columns, strict=True)]
        extra = [pl.Series("_line", lines, dtype=pl.Int64), pl.Series("_raw", raws, dtype=pl.String)]
        return _Rows(pl.DataFrame([*series, *extra]), torn, held)

    def record(self, texts: Texts) -> tuple[list[str] | None, int]:
        """Cells of the row that starts at the first text, and the lines it spans.

        No cells with 0 lines: it is no CSV. No cells with n lines: a quote is still open after n lines.
        """
        head = texts[0] or ""
        if not self.form.quote or self.form.quote not in head:
            return head.split(self.form.delimiter), 1
        joined = ""
        for used, text in enumerate(texts, start=1):
            if text is None:
                return None, 0
            joined = f"{joined}\n{text}" if used > 1 else text
            if used > 1 and self.form.quote not in text:
                continue
            try:
                parsed = list(
                    csv.reader([joined], delimiter=self.form.delimiter, quotechar=self.form.quote, strict=True)
                )
            except csv.Error as error:
                if "unexpected end of data" not in str(error):
                    return None, 0
                continue
            return (parsed[0], used) if len(parsed) == 1 else (None, 0)
        return None, len(texts)

    def _torn(self, line: int, text: str, cells: list[str] | None, used: int) -> RowReject:
        if cells is not None and used == 1:
            return self._wrong_width(line, text, len(cells))
        why = "a quote stands where none may be" if not used else "a quote is opened and not closed in this row"
        return RowReject(line, "", "torn", why, text.encode())

    def _wrong_width(self, line: int, raw: str, count: int) -> RowReject:
        why = f"has {count} cells instead of {len(self.names)}"
        return RowReject(line, "", "columns", sentence("columns", why), raw.encode())


def lines_as_rows(lines: Lines) -> pl.DataFrame:
    """Each line as one cell of the column `line`; blank lines are no rows."""
    texts = pl.Series("line", lines.texts, dtype=pl.String)
    frame = texts.to_frame().with_row_index("_line", lines.first).with_columns(pl.col("_line").cast(pl.Int64))
    return (
        frame.filter(pl.col("line").str.strip_chars(BLANKS) != "")
        .with_columns(_raw="line")
        .select("line", "_line", "_raw")
    )
