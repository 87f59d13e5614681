"""Dead letters and repairs hold on PostgreSQL what they hold on SQLite."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from millrace.ledger import Ledger
from millrace.ledger.desk import Desk
from millrace.ledger.letters import LetterFilter
from tests.conformance.erp_world import Clock
from tests.servers import Postgres
from tests.unit import test_letters_look as look
from tests.unit import test_letters_replay as replay
from tests.unit import test_repair as repair
from tests.unit.letter_desk import record

pytestmark = pytest.mark.server
_NUMBERS = itertools.count()


def cases(module: ModuleType) -> list[Callable[[Ledger], None]]:
    """Tests of a module that need nothing but a ledger."""
    found = [each for name, each in vars(module).items() if name.startswith("test_")]
    return [each for each in found if list(inspect.signature(each).parameters) == ["ledger"]]


@pytest.fixture
def ledger(postgres: Postgres) -> Iterator[Ledger]:
    url = postgres.create(f"letters_{next(_NUMBERS)}")
    with Ledger(url, clock=Clock(), who="test") as opened:
        yield opened


@pytest.mark.parametrize("case", [case for module in (look, replay, repair) for case in cases(module)])
def test_it_holds_on_postgresql_too(ledger: Ledger, case: Callable[[Ledger], None]) -> None:
    case(ledger)


def test_a_readable_record_is_found_by_its_order_whatever_bytes_surround_it(ledger: Ledger) -> None:
    payload = b'{"note": "\xc3\xa4 \\\\ \xff", "order_id": "4711"}'
    ledger.put_dead_letters([record(1, payload=payload), record(2, payload=b'{"order_id": "47111"}')])
    found = Desk(ledger).list(LetterFilter(orders=("4711",))).letters
    assert [letter.offset for letter in found] == [1]
