"""A replay and the ledger, on a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.servers import Postgres
from tests.unit.replaying_case import check_races, check_refused, check_replaying

pytestmark = pytest.mark.server
_NUMBERS = itertools.count()


@pytest.mark.parametrize("check", [check_replaying, check_refused, check_races])
def test_a_replay_replaces_a_version_only_while_nothing_of_it_is_under_way(
    check: Callable[[str], None], postgres: Postgres
) -> None:
    check(postgres.create(f"replaying_{next(_NUMBERS)}"))
