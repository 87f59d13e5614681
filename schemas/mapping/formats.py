"""Formats of files: what a reader has to be told."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from schemas.mapping.rules import Strict


class _Lines(Strict):
    """What all formats of text lines share."""

    encoding: str = Field("utf-8", description="Encoding; a byte order mark in the file wins over it.")
    skip_lines: int = Field(0, ge=0, description="Lines before the header or first row that are no rows.")
    final_newline: Literal["optional", "required"] = Field(
        "optional", description="Whether a last line without line end counts as torn."
    )

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            name, newline = codecs.lookup(value).name, "\n".encode(value)
        except (LookupError, AttributeError):
            raise ValueError(f"there is no encoding '{value}'") from None
        if newline != b"\n" and not name.startswith(("utf-16", "utf-32")):
            raise ValueError(f"lines cannot be told apart in the encoding '{value}'")
        return name


class Csv(_Lines):
    """Delimited text."""

    type: Literal["csv"] = Field(description="Format of the files.")
    delimiter: str = Field(",", min_length=1, max_length=1, description="Mark between cells; one character.")
    quote: str = Field('"', description="Mark around cells that hold delimiters or line breaks; `none` for no quoting.")
    header: bool = Field(True, description="Whether the first row names the columns.")
    columns: list[str] = Field([], description="Names of the columns; they win over the header's.")
    comment: str = Field("", description="Lines that start with this are no rows.")
    max_lines_per_row: int = Field(
        100, ge=1, le=10_000, description="Longest run of lines that one row's quoted line breaks may span."
    )

    @field_validator("quote")
    @classmethod
    def _one_mark(cls, value: str) -> str:
        if value == "none":
            return ""
        if len(value) > 1:
            raise ValueError("must be one character, or none")
        return value

    @model_validator(mode="after")
    def _columns_are_named(self) -> Csv:
        if not self.header and not self.columns:
            raise ValueError("columns must be given where header is false")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns names a column twice")
        if self.delimiter == self.quote or self.delimiter in "\r\n":
            raise ValueError("delimiter must differ from quote and line end")
        return self


class JsonLines(_Lines):
    """One JSON object a line; inner objects are reached by dotted names such as `data.count`."""

    type: Literal["jsonl"] = Field(description="Format of the files.")
    items: str | None = Field(
        None,
        description="A list of objects in the record: each item becomes a row, named behind the list.",
    )


class Text(_Lines):
    """Free text: each line is one cell of the column `line`, to be taken apart by `split`."""

    type: Literal["text"] = Field(description="Format of the files.")


class Parquet(Strict):
    """A Parquet file of foreign columns."""

    type: Literal["parquet"] = Field(description="Format of the files.")
    max_rows: int = Field(10_000_000, ge=1, description="More rows than this in one file refuse the file.")


class Avro(Strict):
    """An Avro container of foreign records; inner records are reached by dotted names."""

    type: Literal["avro"] = Field(description="Format of the files.")
    max_rows: int = Field(10_000_000, ge=1, description="More rows than this in one file refuse the file.")


Format = Annotated[Csv | JsonLines | Text | Parquet | Avro, Field(discriminator="type")]
