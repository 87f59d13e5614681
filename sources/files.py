"""Files as a source: foreign files through a mapping, or files of our own contracts.

Delivery: files are read in sorted order and rows in the order of the file; a reader that goes on from a
`Position` repeats and skips nothing, as long as the files before it have not changed. Replaying the whole
gives the same records with the same event ids.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from millrace.errors import Misconfigured
from schemas.mapping import MappedBatch, Mapping, RowReject, State, apply, formats
from sources.readers import avro, csv_text, json_text, own, parquet
from sources.readers.chunk import Chunk

CHUNK_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading goes on; plain values that may be snapshotted.

    Args:
        file: File in hand; empty before the first.
        row: Line or row at which to go on in it.
        state: What the mapping carries from batch to batch.
        done: The file was read to its end.
    """

    file: str = ""
    row: int = 1
    state: State = field(default_factory=dict)
    done: bool = False


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Records of some rows of one file.

    Args:
        file: File that they come from, as found under the reader's path.
        mapped: Records, rejects and counts.
        position: Where to go on behind them.
    """

    file: str
    mapped: MappedBatch
    position: Position


class FileReader:
    """Iterates the batches of a file, a directory (all files in it) or a glob pattern, in sorted order.

    Args:
        path: File, directory or pattern.
        mapping: For foreign files.
        contract: For Parquet, Avro or JSON Lines files of one of our contracts.
        rows: Most rows (physical lines of text files) a batch.
        resume: Position of the last batch that was dealt with.

    Raises:
        Misconfigured: Nothing is found; or not exactly one of mapping and contract is given. While
            iterating: a file does not have the format or the columns that the mapping names.
    """

    def __init__(
        self,
        path: str | Path,
        mapping: Mapping | None = None,
        *,
        contract: str | None = None,
        rows: int = CHUNK_ROWS,
        resume: Position | None = None,
    ) -> None:
        if (mapping is None) == (contract is None):
            raise Misconfigured("a file reader needs either a mapping or a contract")
        self.mapping, self.contract, self.rows = mapping, contract, rows
        self.files = find_files(path)
        self.position = resume or Position()

    def __iter__(self) -> Iterator[FileBatch]:
        """Batches from the position on; `position` follows what was handed out."""
        for path in self.files:
            name = str(path)
            if name < self.position.file or (name == self.position.file and self.position.done):
                continue
            if name != self.position.file:
                self.position = Position(name, 1, self._carried_over())
            for mapped, row, done in self._batches(path):
                self.position = Position(name, row, mapped.state, done)
                yield FileBatch(name, mapped, self.position)

    def _carried_over(self) -> State:
        context = self.mapping.context if self.mapping is not None else None
        if context is None or not context.across_files:
            return {}
        return {key: value for key, value in self.position.state.items() if key == "context"}

    def _batches(self, path: Path) -> Iterator[tuple[MappedBatch, int, bool]]:
        if self.contract is not None:
            for mapped, row in own.read_contract(path, self.contract, self.rows, self.position.row):
                yield mapped, row, False
            yield MappedBatch(), self.position.row, True
            return
        chunks = self._chunks(path)
        chunk = next(chunks, None)
        while chunk is not None:
            following = next(chunks, None)
            yield self._mapped(path, chunk, final=following is None), chunk.next_row, following is None
            chunk = following

    def _mapped(self, path: Path, chunk: Chunk, *, final: bool) -> MappedBatch:
        if self.mapping is None:
            raise Misconfigured("a file reader needs a mapping for foreign files")
        rows = chunk.rows.with_columns(_file=pl.lit(path.name))
        try:
            mapped = apply(self.mapping, rows, self.position.state, final=final)
        except Misconfigured as error:
            raise Misconfigured(f"{path}: {error}") from error
        return _with_torn(mapped, chunk.torn)

    def _chunks(self, path: Path) -> Iterator[Chunk]:
        if self.mapping is None:
            return
        form, size, start = self.mapping.format, self.rows, self.position.row
        if isinstance(form, formats.Csv):
            yield from csv_text.read_csv(path, form, size, start)
        elif isinstance(form, formats.JsonLines):
            yield from json_text.read_json_lines(path, self.mapping, form, size, start)
        elif isinstance(form, formats.Text):
            yield from json_text.read_text(path, form, size, start)
        elif isinstance(form, formats.Parquet):
            yield from parquet.read_parquet(path, form.max_rows, size, start)
        else:
            yield from avro.read_avro(path, form.max_rows, size, start)


def find_files(path: str | Path) -> list[Path]:
    """Files under a path: itself, all files of a directory but hidden ones, or those that match a pattern.

    Raises:
        Misconfigured: There is none.
    """
    given = Path(path)
    if given.is_dir():
        found = [each for each in given.rglob("*") if each.is_file() and not each.name.startswith((".", "_"))]
    elif given.is_file():
        found = [given]
    else:
        found = [Path(each) for each in glob.glob(str(path), recursive=True) if Path(each).is_file()]
    if not found:
        raise Misconfigured(f"{path}: there is no such file, and no file matches it")
    return sorted(found, key=str)


def _with_torn(mapped: MappedBatch, torn: list[RowReject]) -> MappedBatch:
    """Count rows that could not even be read."""
    if not torn:
        return mapped
    rejects = sorted([*mapped.rejects, *torn], key=lambda reject: reject.line)
    return replace(mapped, rejects=rejects, read=mapped.read + len(torn))
