"""One request per crossing over kills, replays, repeats and disorder, on the engine and its recovery store.

Many more lives, and those without the wait for durable state, are in tests/property/test_replenishment_lives.py.
"""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dataflows.kept_files import KEPT, forget_unnamed
from dataflows.unfinished_epochs import forget_unfinished
from operators import stock_kept
from schemas.batch import RawBatch
from tests.flows.stock_memory import Heard, polled, run, settings
from tests.flows.stock_records import Record, balance, issue, receipt


def plant(seed: int) -> list[list[RawBatch]]:
    """Two lanes over some hours: issues on one, receipts and balances on the other, some late, some twice."""
    chance = random.Random(seed)
    consumed: list[Record] = [issue(n, 2.0 * n + chance.choice([0, 0, -7]), 12) for n in range(1, 60)]
    came = [receipt(f"R{n}", 20.0 * n + chance.uniform(-15, 0), 60) for n in range(1, 6)]
    counted = [balance(0, 160)]
    repeats = chance.sample(consumed, 5)
    return [polled([*consumed, *repeats]), polled([*counted, *came])]


def lives(seed: int, folder: Path, **values: Any) -> Heard:
    """Killed again and again at random moments; each life reads in batches of its own."""
    heard, chance, lanes = Heard(), random.Random(-seed), plant(seed)
    for life in range(5):
        run(settings(judge_s=300, **values), lanes, heard, folder, stop=chance.randint(5, 30), life=life + 100 * seed)
        if values:
            forget_unfinished(folder)
            forget_unnamed(folder)
    run(settings(judge_s=300, **values), lanes, heard, folder, life=99)
    return heard


def contradictions(heard: Heard) -> set[str]:
    """Requests that were announced with more than one content."""
    told = defaultdict(set)
    for key, quantity in heard.asked:
        told[key].add(quantity)
    return {key for key, quantities in told.items() if len(quantities) > 1}


def supplied(heard: Heard) -> Decimal:
    """What the state counts as asked for, in the end."""
    place = heard.standings["P1", "stock|STEEL|RM01"]["content"]
    return Decimal(place["open_requests"])


def on_hand(heard: Heard) -> Decimal:
    """Stock in the end."""
    return Decimal(heard.standings["P1", "stock|STEEL|RM01"]["content"]["on_hand"])


@pytest.mark.parametrize("seed", range(2))
def test_one_request_per_crossing_over_kill_replay_and_disorder(seed: int, tmp_path: Path) -> None:
    """Nothing is asked for twice, nothing that was asked for is forgotten, and the numbers have no gap."""
    heard = lives(seed, tmp_path / "state")
    assert contradictions(heard) == set()
    assert len(heard.requests) > 1
    assert sorted(int(key.rpartition("|")[2]) for key in heard.requests) == list(range(1, len(heard.requests) + 1))
    assert sum(heard.quantities()) == supplied(heard)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_kept_in_files_is_there_after_any_kill(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of each chunk, joined after a few instants, and as between two processes: swept before each life."""
    folder = tmp_path / "state"
    monkeypatch.setattr(stock_kept, "FILE_ROWS", 0)
    monkeypatch.setattr(stock_kept, "_MOST_CHUNKS", 3)
    heard = lives(seed, folder, recovery=folder)
    assert sum(heard.quantities()) == supplied(heard)
    plain = Heard()
    run(settings(judge_s=300), plant(seed), plain)
    assert on_hand(heard) == on_hand(plain)
    assert len(list((folder / KEPT).iterdir())) > 1
    forget_unnamed(folder)
    assert 1 < len(list((folder / KEPT).iterdir())) <= 8


def test_a_replay_into_a_new_state_asks_under_the_same_numbers(tmp_path: Path) -> None:
    """Numbers follow from instants of event time: whoever reads the same records in the same order asks the same."""
    lanes = [polled(_ordered(), 4)]
    first, second = Heard(), Heard()
    for stop in (5, 9, None):
        run(settings(), lanes, first, tmp_path / "a", stop=stop)
    run(settings(), [polled(_ordered(), 7)], second)
    assert dict(first.asked).items() <= dict(second.asked).items()
    assert len(second.requests) > 2


def _ordered() -> list[Record]:
    return [balance(0, 160), *(issue(n, 2.0 * n, 12) for n in range(1, 60))]
