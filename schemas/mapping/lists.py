"""Lists of texts in one cell, such as the serial numbers of pieces."""

from __future__ import annotations

import json

import polars as pl

from schemas.mapping.parsed import Parsed

#: Polars type of a list of texts.
DTYPE = pl.List(pl.String)


def read_lists(texts: pl.Series) -> Parsed:
    """Read `S1, S2` and the JSON list `["S1", "S2"]`; blanks and empty parts are left out, null stays null."""
    read = {text: parts(text) for text in texts.unique().to_list() if text is not None}
    return Parsed.good(pl.Series(texts.name, [read.get(text) for text in texts.to_list()], dtype=DTYPE))


def parts(text: str) -> list[str]:
    """Parts of one text; what only looks like JSON is split at its commas."""
    try:
        found = json.loads(text, parse_int=str, parse_float=str) if text.startswith("[") else text.split(",")
    except ValueError:
        found = text.split(",")
    return [part for part in (str(item).strip() for item in found if item is not None) if part]
