"""Files of three contract versions are one table to every reader, as docs/analysts.md tells to read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.versions_case import COLUMNS, recipe, topic_folder, write_versions

Plain = Callable[[Any], list[dict[str, Any]]]
READERS: dict[str, Plain] = {
    "Polars": lambda rows: rows.to_dicts(),
    "DuckDB": lambda rows: rows.to_arrow_table().to_pylist(),
    "pyarrow": lambda rows: rows.to_pylist(),
    "pandas": lambda rows: rows.astype(object).where(rows.notna(), None).to_dict("records"),
}


def read(reader: str, folder: Path) -> list[dict[str, Any]]:
    known: dict[str, Any] = {"folder": str(folder)}
    exec(recipe(reader), known)  # noqa: S102 - lines of our own page
    found = [{name: each[name] for name in COLUMNS} for each in READERS[reader](known["rows"])]
    return sorted(found, key=lambda each: each["event_id"])


@pytest.mark.parametrize("reader", READERS)
def test_three_versions_read_as_one_table(tmp_path: Path, reader: str) -> None:
    expected = write_versions(tmp_path)
    assert any(each["closed"] is not None for each in expected)
    assert any(each["closed"] is None for each in expected)
    assert read(reader, topic_folder(tmp_path)) == expected


def test_reading_by_the_first_file_alone_would_lose_the_columns_that_came_later(tmp_path: Path) -> None:
    """Control: what the recipes are for."""
    write_versions(tmp_path)
    files = sorted(topic_folder(tmp_path).rglob("*.parquet"))
    rows = pl.scan_parquet(files, extra_columns="ignore", missing_columns="insert")
    assert "closed" not in rows.collect_schema().names()
