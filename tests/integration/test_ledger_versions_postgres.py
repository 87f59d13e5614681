"""A ledger on PostgreSQL goes to the newest schema version, back for the release before, and up again."""

from __future__ import annotations

from itertools import count

import pytest

from millrace.ledger.peek import peek
from millrace.ledger.schema import OLDEST
from millrace.ledger.tables import SCHEMA_VERSION
from tests.golden.test_ledgers import books, bring_to, downgrade, goes_on, structure
from tests.servers import Postgres
from tests.unit.ledger_upgrade import check_upgraded
from tests.unit.ledger_v1 import make_v1

pytestmark = pytest.mark.server


_NUMBERS = count()


@pytest.fixture
def urls(postgres: Postgres) -> tuple[str, str]:
    """Two empty databases."""
    return postgres.create(f"versions_{next(_NUMBERS)}"), postgres.create(f"versions_{next(_NUMBERS)}")


@pytest.mark.parametrize("to", range(OLDEST, SCHEMA_VERSION))
def test_the_way_back_leaves_the_tables_of_the_older_release_and_all_its_books(urls: tuple[str, str], to: int) -> None:
    url, fresh = urls
    for each in urls:
        make_v1(each)
    check_upgraded(url)
    bring_to(fresh, to)
    before = books(url)
    done = downgrade(url, "--to", str(to), "--yes")
    assert done.exit_code == 0, done.output
    assert (peek(url), structure(url), books(url)) == (to, structure(fresh), before)
    goes_on(url)
