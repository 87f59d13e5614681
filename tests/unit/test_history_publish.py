"""Closed days as Delta and Iceberg tables: each row once, over kills, late rows and repeated passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.utils.config import Config
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Retriable
from sinks.history.compact import compact
from sinks.history.delta import DeltaTarget
from sinks.history.iceberg import IcebergTarget
from sinks.history.publish import Target, publish
from tests.unit.history_case import BEFORE, TOPIC, add, fill, in_days

HERE = Path(__file__).parents[2]
KINDS = ["delta", "iceberg"]
ONE_RUN = """
import sys
from pathlib import Path
from sinks.history.publish import publish
from tests.unit.test_history_publish import target
publish(Path(sys.argv[1]), "machine-cycle", target(sys.argv[2], Path(sys.argv[3])))
"""


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "warehouse").mkdir()
    settings = {"TYPE": "sql", "URI": f"sqlite:///{tmp_path}/catalog.db", "WAREHOUSE": f"file://{tmp_path}/warehouse"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__PLANT__{name}", value)
    monkeypatch.setenv("PYICEBERG_HOME", str(tmp_path))
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # else that of the first test in this process


def target(kind: str, folder: Path) -> Any:
    return DeltaTarget(folder / "tables", TOPIC) if kind == "delta" else IcebergTarget("plant", "millrace", TOPIC)


def asked(kind: str, folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers; without its own extensions for either, it reads through Arrow."""
    table = target(kind, folder).table()
    rows = table.to_pyarrow_dataset() if kind == "delta" else table.scan().to_arrow()
    with duckdb.connect() as connection:
        connection.register("cycles", rows)
        return connection.sql(sql).fetchall()


def ids(kind: str, folder: Path) -> list[str]:
    return [row[0] for row in asked(kind, folder, "SELECT event_id FROM cycles ORDER BY event_id")]


@pytest.mark.parametrize("kind", KINDS)
def test_each_compacted_row_is_in_the_table_once_with_its_types(tmp_path: Path, kind: str) -> None:
    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, lambda _: 10**9)
    done = publish(tmp_path, TOPIC, target(kind, tmp_path))
    assert (done.days, done.rows, done.unchanged) == (3, 144, 0)
    assert ids(kind, tmp_path) == in_days(tmp_path)
    sums = asked(kind, tmp_path, "SELECT plant, date::VARCHAR, sum(quantity_good) FROM cycles GROUP BY ALL ORDER BY 2")
    assert sums[0] == ("P1", "2026-03-01", Decimal("552.000000"))
    again = publish(tmp_path, TOPIC, target(kind, tmp_path))
    assert (again.days, again.unchanged) == (0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_with_late_rows_replaces_what_was_published(tmp_path: Path, kind: str) -> None:
    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, lambda _: 10**9)
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    add(tmp_path, [3, 4], 10**9, "LATE")
    compact(tmp_path, TOPIC, BEFORE, lambda _: 2 * 10**9)
    done = publish(tmp_path, TOPIC, target(kind, tmp_path))
    assert (done.days, done.unchanged) == (1, 2)
    assert ids(kind, tmp_path) == in_days(tmp_path)


def killed(folder: Path, kind: str, point: str) -> None:
    command = [sys.executable, "-c", ONE_RUN, str(folder), kind, str(folder)]
    env = {**os.environ, "MILLRACE_FAILPOINT": point, "PYTHONPATH": str(HERE)}
    assert subprocess.run(command, env=env, cwd=HERE, check=False).returncode == -9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", ["publish.before_commit@2", "publish.after_commit"])
def test_a_kill_at_any_point_loses_and_doubles_nothing(tmp_path: Path, kind: str, point: str) -> None:
    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, lambda _: 10**9)
    killed(tmp_path, kind, point)
    before = ids(kind, tmp_path)
    assert len(before) == len(set(before))
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    assert ids(kind, tmp_path) == in_days(tmp_path)


def test_appending_without_the_transaction_doubles_every_row(tmp_path: Path) -> None:
    """Negative control: a pass that was killed behind its last commit is repeated."""
    from deltalake import DeltaTable, write_deltalake

    class Forgetful:
        def version_of(self, _day: str) -> int | None:
            return None

        def replace(self, _day: str, _place: Any, rows: Any, _version: int) -> None:
            write_deltalake(str(tmp_path / "plain"), rows, mode="append")

    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, lambda _: 10**9)
    forgetful: Target = Forgetful()
    for _ in range(2):
        publish(tmp_path, TOPIC, forgetful)
    assert DeltaTable(str(tmp_path / "plain")).to_pyarrow_dataset().count_rows() == 2 * 144


@pytest.mark.parametrize("kind", KINDS)
def test_two_passes_at_a_time_conflict_and_one_of_them_fails(tmp_path: Path, kind: str) -> None:
    fill(tmp_path)
    compact(tmp_path, TOPIC, BEFORE, lambda _: 10**9)
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    add(tmp_path, [3], 10**9, "LATE")
    compact(tmp_path, TOPIC, BEFORE, lambda _: 2 * 10**9)
    slow, stale = target(kind, tmp_path), target(kind, tmp_path).table()
    publish(tmp_path, TOPIC, target(kind, tmp_path))
    slow.table = lambda: stale
    with pytest.raises(Retriable, match="at the same time"):
        publish(tmp_path, TOPIC, slow)
    assert ids(kind, tmp_path) == in_days(tmp_path)


def test_the_command_makes_a_table_per_topic_and_says_what_it_did(tmp_path: Path) -> None:
    fill(tmp_path / "history")
    compact(tmp_path / "history", TOPIC, BEFORE, lambda _: 10**9)
    for option, where in (("--delta", str(tmp_path / "tables")), ("--iceberg", "plant")):
        arguments = ["history", "publish", "--root", str(tmp_path / "history"), option, where]
        (done,) = json.loads(CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False).stdout)
        assert done == {"topic": TOPIC, "days": 3, "rows": 144, "unchanged": 0}
        shown = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
        assert shown == f"{TOPIC}: 0 days with 0 rows committed, 3 were there already\n"
