"""Queries and erasure on an object store: the same answers as in a folder, each row once."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from millrace.errors import Misconfigured
from sinks.history.compact import compact, only_one
from sinks.history.dictionary import FILE, write_dictionary
from sinks.history.erase import Erasure
from sinks.history.erasure_report import FOLDER, Report
from sinks.history.manifest import write_manifest
from sinks.history.places import ObjectPath
from sinks.history.query import query, save
from sinks.history.store import below, read_bytes
from tests.stores.case import put_tree
from tests.unit.erase_case import TOPIC, fill

SQL = """
    SELECT plant, date, operator, count(*) AS n, sum(quantity_yield) AS pieces
    FROM operation_report GROUP BY ALL ORDER BY ALL
"""


@pytest.fixture
def twin(root: ObjectPath, tmp_path: Path) -> Path:
    """A history in a folder, of which the bucket holds a copy."""
    fill(tmp_path)
    put_tree(tmp_path, root)
    return tmp_path


def test_a_query_on_a_store_answers_as_in_a_folder(root: ObjectPath, twin: Path) -> None:
    assert query(root, SQL).equals(query(twin, SQL))
    by_order = "SELECT order_id, good FROM production_by_order"
    assert query(root, by_order).equals(query(twin, by_order))
    with pytest.raises(Misconfigured, match="saved over a history in a folder"):
        save(root, twin / "history.duckdb")


def test_a_person_is_erased_on_a_store_with_proof(root: ObjectPath, twin: Path) -> None:
    before = query(twin, SQL)
    report = Report.begin(root, {"what": "erase"})
    with only_one(root):
        done = Erasure(root, "ann", lambda _: 10**9, report).topic(TOPIC)
        write_manifest(root, TOPIC, None)
        write_dictionary(root)
    report.end()
    after = query(root, SQL)
    assert after["n"].sum() == before["n"].sum()
    assert after["pieces"].sum() == before["pieces"].sum()
    assert "ann" not in after["operator"].to_list()
    kept = [found.path for found in below(root / FOLDER)]
    assert sorted(path.name for path in kept) == [f"{report.run}.json", f"{report.run}.parquet"]
    assert json.loads(read_bytes(root / FOLDER / f"{report.run}.json"))["files"] == done.files > 1
    assert read_bytes(root / FILE)
    with only_one(root):
        compact(root, TOPIC, date(2026, 3, 9), lambda _: 10**9)
    assert query(root, SQL).equals(after)
