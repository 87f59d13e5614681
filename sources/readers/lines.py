"""Physical lines of a text file: encodings, byte order marks, gzip, overlong and unreadable lines."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from schemas.mapping import RowReject
from schemas.mapping.reasons import sentence
from sources.readers.gunzip import Gunzip

#: A longer line is rejected; so is what a writer forgot to end.
LONGEST = 1 << 20
#: What a blank line consists of. Python and Polars differ on rarer blanks, so they are named.
BLANKS = " \t\r\v\f"
_BLOCK = 1 << 20
_CHUNK_BYTES = 32 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(slots=True)
class Lines:
    """Some lines that follow one another.

    Args:
        first: Number of the first, from 1.
        texts: Decoded lines without their ends; None where the line is in `torn`.
        torn: Lines that cannot be used.
        last: Whether the file ends here.
    """

    first: int
    texts: list[str | None]
    torn: list[RowReject] = field(default_factory=list)
    last: bool = False


def read_lines(path: Path, encoding: str, size: int, start: int = 1, *, final_newline: bool = False) -> Iterator[Lines]:
    """Lines of a file, at most `size` at a time; the last piece says so, an empty file gives an empty one.

    Args:
        path: Plain or gzip file.
        encoding: Declared encoding; a byte order mark wins over it.
        size: Lines a piece.
        start: Line to begin with.
        final_newline: Whether a last line without line end is torn.
    """
    with path.open("rb") as plain:
        packed = plain.peek(2)[:2] == b"\x1f\x8b"
        stream: IO[bytes] | Gunzip = Gunzip(plain) if packed else plain
        splitter = _Splitter(stream, encoding, final_newline=final_newline)
        held, number = _Piece(1), 0
        for raw, wrong in splitter:
            number += 1
            if number < start:
                held.first = number + 1
                continue
            if len(held.raws) >= size or held.bytes > _CHUNK_BYTES:
                yield held.lines(splitter.encoding)
                held = _Piece(number)
            held.add(raw, wrong)
        yield held.lines(splitter.encoding, last=True)


class _Piece:
    """Raw lines that are decoded together."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.raws: list[bytes] = []
        self.wrong: dict[int, tuple[str, str]] = {}
        self.bytes = 0

    def add(self, raw: bytes, wrong: tuple[str, str] | None) -> None:
        if wrong is not None:
            self.wrong[len(self.raws)] = wrong
        self.raws.append(raw)
        self.bytes += len(raw)

    def lines(self, encoding: str, *, last: bool = False) -> Lines:
        texts: list[str | None] = list(_decoded(self.raws, encoding))
        torn = []
        for i, text in enumerate(texts):
            wrong = self.wrong.get(i) or _wrong(text, encoding)
            if wrong is not None:
                texts[i] = None
                torn.append(RowReject(self.first + i, "", wrong[0], sentence(*wrong), self.raws[i]))
        return Lines(self.first, texts, torn, last)


def _decoded(raws: list[bytes], encoding: str) -> list[str | None]:
    """All lines at once, or one by one where one of them is not in the encoding."""
    try:
        texts = b"\n".join(raws).decode(encoding).split("\n")
    except UnicodeDecodeError:
        texts = []
    if len(texts) == len(raws):
        return [text.removesuffix("\r") for text in texts]
    return [_decoded_line(raw, encoding) for raw in raws]


def _decoded_line(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding).removesuffix("\r")
    except UnicodeDecodeError:
        return None


def _wrong(text: str | None, encoding: str) -> tuple[str, str] | None:
    if text is None:
        return "encoding", f"the line is not {encoding}"
    if "\0" in text:
        return "control_character", ""
    return None


class _Splitter:
    """Iterates raw lines with what is wrong with each; UTF-16 and UTF-32 become UTF-8 on the way."""

    def __init__(self, stream: IO[bytes] | Gunzip, encoding: str, *, final_newline: bool) -> None:
        self.stream = stream
        self.final_newline = final_newline
        self.broken: str | None = None
        head = self._read()
        for mark, name in _MARKS:
            if head.startswith(mark):
                head, encoding = head[len(mark) :], name
                break
        wide = encoding.startswith(("utf-16", "utf-32"))
        self.decoder = codecs.getincrementaldecoder(encoding)(errors="replace") if wide else None
        self.encoding = "utf-8" if wide else encoding
        self.head = head

    def _read(self) -> bytes:
        """A block; a damaged or cut gzip file ends where it can no longer be read."""
        try:
            return self.stream.read(_BLOCK)
        except (EOFError, OSError, zlib.error) as error:
            self.broken = f"the file cannot be read beyond this line: {error}"
            return b""

    def _blocks(self) -> Iterator[bytes]:
        block = self.head
        while block:
            yield block if self.decoder is None else self.decoder.decode(block).encode()
            block = self._read()
        if self.decoder is not None:
            yield self.decoder.decode(b"", final=True).encode()

    def __iter__(self) -> Iterator[tuple[bytes, tuple[str, str] | None]]:
        rest, skipping = b"", False
        for block in self._blocks():
            pieces = (rest + block).split(b"\n")
            rest = pieces.pop()
            for piece in pieces:
                yield self._checked(piece, skipped=skipping)
                skipping = False
            if len(rest) > LONGEST:
                rest, skipping = rest[:LONGEST], True
        if self.broken is not None:
            yield rest, ("torn", self.broken)
        elif rest:
            unfinished = ("torn", "the last line has no line end") if self.final_newline else None
            yield rest, self._checked(rest, skipped=skipping)[1] or unfinished

    def _checked(self, raw: bytes, *, skipped: bool) -> tuple[bytes, tuple[str, str] | None]:
        if skipped or len(raw) > LONGEST:
            return raw[:LONGEST], ("too_long", f"the line is longer than {LONGEST} bytes")
        if self.decoder is not None and b"\xef\xbf\xbd" in raw:
            return raw, ("encoding", "the line is not in the encoding of the file")
        return raw, None
