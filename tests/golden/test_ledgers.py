"""New release, same ledger, and back again: on SQLite; tests/integration has PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, inspect, select, text
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.peek import peek
from millrace.ledger.schema import MIGRATIONS, OLDEST
from millrace.ledger.tables import SCHEMA_VERSION, documents, postings
from tests.conformance.erp_world import SYSTEM, document
from tests.golden.ledgers import FOLDER, load
from tests.unit.ledger_desk import claim, finish
from tests.unit.ledger_upgrade import check_upgraded
from tests.unit.ledger_v1 import make_v1

STORED = sorted(FOLDER.glob("v*.sql"))


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def bring_to(url: str, revision: int) -> None:
    """As the release with that revision left the tables."""
    with connected(url) as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.stamp(config, "0001")
        command.upgrade(config, f"{revision:04d}")


@pytest.mark.parametrize("revision", range(1, SCHEMA_VERSION))
def test_a_ledger_of_each_older_version_is_upgraded_with_all_it_holds(revision: int, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    make_v1(url)
    bring_to(url, revision)
    assert peek(url) == revision
    check_upgraded(url)
    assert peek(url) == SCHEMA_VERSION


def goes_on(url: str) -> None:
    """What was booked is known: of a higher total only the difference is claimed, and the books agree."""
    with Ledger(url, who="new") as ledger:
        ledger.put_desired([document(1, "1000001", 3, **{"yield": "9"})])
        ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
        (step,) = claim(ledger)
        assert dict(step.quantities) == {"yield": Decimal(2)}, "7 are booked"
        finish(ledger, [step])
        assert ledger.inconsistent() == []


@pytest.mark.parametrize("script", STORED, ids=lambda script: script.stem)
def test_a_stored_ledger_is_gone_on_with(script: Path, tmp_path: Path) -> None:
    goes_on(load(script, tmp_path / "ledger.db"))


def test_there_is_a_stored_ledger_of_the_present_version() -> None:
    """After a rise of SCHEMA_VERSION: python -m tests.golden.ledgers."""
    assert FOLDER / f"v{SCHEMA_VERSION}.sql" in STORED


def downgrade(url: str, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["ledger", "downgrade", "--ledger", url, *arguments])


def structure(url: str) -> dict[str, Any]:
    """Tables with their columns and indexes."""
    with connected(url) as connection:
        found = inspect(connection)
        return {
            name: (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)),
                sorted((i["name"], i["column_names"]) for i in found.get_indexes(name)),
            )
            for name in found.get_table_names()
        }


def books(url: str) -> list[Any]:
    with connected(url) as connection:
        both = [select(documents).order_by(documents.c.key), select(postings).order_by(postings.c.external_reference)]
        return [[tuple(row) for row in connection.execute(query)] for query in both]


@pytest.mark.parametrize("to", range(OLDEST, SCHEMA_VERSION))
def test_the_way_back_leaves_the_tables_of_the_older_release_and_all_its_books(to: int, tmp_path: Path) -> None:
    """The older release's own test says that its queries are made for just these tables."""
    url = load(STORED[-1], tmp_path / "ledger.db")
    before = books(url)
    fresh = f"sqlite:///{tmp_path}/fresh.db"
    make_v1(fresh)
    bring_to(fresh, to)
    assert structure(url) != structure(fresh)
    done = downgrade(url, "--to", str(to), "--yes")
    assert done.exit_code == 0, done.output
    assert structure(url) == structure(fresh)
    assert peek(url) == to
    assert books(url) == before
    goes_on(url)  # and the newer release takes it up again


def test_a_dry_run_and_a_no_leave_the_ledger_as_it_is(tmp_path: Path) -> None:
    url = load(STORED[-1], tmp_path / "ledger.db")
    assert downgrade(url, "--dry-run").exit_code == 0
    assert CliRunner().invoke(app, ["ledger", "downgrade", "--ledger", url], input="n\n").exit_code == 1
    assert peek(url) == SCHEMA_VERSION


def test_a_ledger_that_a_poster_works_on_is_not_brought_back(tmp_path: Path) -> None:
    url = load(STORED[-1], tmp_path / "ledger.db")
    with Ledger(url, who="poster") as ledger:
        ledger.put_desired([document(1, "1000001", 3, **{"yield": "9"})])
        ledger.intake(lambda plant, kind: SYSTEM)  # noqa: ARG005
        claim(ledger)
        done = downgrade(url, "--yes")
    assert isinstance(done.exception, Misconfigured)
    assert "posters hold 1 orders" in str(done.exception)


@pytest.mark.parametrize("to", [OLDEST - 1, SCHEMA_VERSION, SCHEMA_VERSION + 1])
def test_what_cannot_be_taken_back_is_refused(to: int, tmp_path: Path) -> None:
    url = load(STORED[-1], tmp_path / "ledger.db")
    done = downgrade(url, "--to", str(to), "--yes")
    assert isinstance(done.exception, Misconfigured)
    assert peek(url) == SCHEMA_VERSION


def test_a_release_refuses_the_ledger_of_a_newer_one_so_that_the_way_back_is_needed(tmp_path: Path) -> None:
    url = load(STORED[-1], tmp_path / "ledger.db")
    with connected(url) as connection:
        connection.execute(text("UPDATE schema_version SET version = version + 1"))
    with pytest.raises(Misconfigured, match="start the newer Millrace"):
        Ledger(url)
    with pytest.raises(Misconfigured, match="start the newer Millrace"):
        peek(url)
