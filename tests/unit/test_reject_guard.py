"""When a lane stops because most of what it reads is refused."""

from __future__ import annotations

import pytest

from operators.lane_output import Dead
from operators.reject_guard import MostRefused, RejectGuard


def dead(count: int, reason: str = "decode", first: int = 0) -> list[Dead]:
    return [Dead("MachineCycle", "machine-cycle", 0, first + n, reason, "torn", b"") for n in range(count)]


def test_a_few_bad_records_never_stop_a_lane() -> None:
    guard = RejectGuard(window=100, share=0.5)
    for _ in range(1000):
        guard.judge("machine-cycle", 100, dead(49))


def test_few_records_decide_nothing_even_when_all_are_bad() -> None:
    guard = RejectGuard(window=100, share=0.5)
    for _ in range(9):
        guard.judge("machine-cycle", 11, dead(11))


def test_most_of_a_window_refused_stops_with_one_sentence_that_names_the_main_reason_and_the_first_record() -> None:
    guard = RejectGuard(window=100, share=0.5)
    with pytest.raises(MostRefused, match=r"60 of the latest 100 .* bad_enum \(first machine-cycle/0/0: torn\)"):
        guard.judge("machine-cycle", 100, [*dead(40, "bad_enum"), *dead(20, "decode", 40)])


def test_small_batches_add_up_to_a_window() -> None:
    guard = RejectGuard(window=100, share=0.5)
    for _ in range(9):
        guard.judge("machine-cycle", 10, dead(6))
    with pytest.raises(MostRefused):
        guard.judge("machine-cycle", 10, dead(6))


def test_only_the_latest_records_count() -> None:
    """A million good records of last week do not hide that everything is refused since a minute."""
    guard = RejectGuard(window=100, share=0.5)
    guard.judge("machine-cycle", 1_000_000, [])
    for _ in range(9):
        guard.judge("machine-cycle", 10, dead(10))
    with pytest.raises(MostRefused):
        guard.judge("machine-cycle", 10, dead(10))


def test_a_batch_that_is_good_again_passes_after_a_start_with_a_bad_past() -> None:
    guard = RejectGuard(window=100, share=0.5)
    with pytest.raises(MostRefused):
        guard.judge("machine-cycle", 100, dead(100))
    again = RejectGuard(window=100, share=0.5)
    again.restore(guard.snapshot())
    again.judge("machine-cycle", 10, dead(2))
    with pytest.raises(MostRefused):
        again.judge("machine-cycle", 10, dead(9))


def test_share_one_never_stops() -> None:
    guard = RejectGuard(window=10, share=1)
    guard.judge("machine-cycle", 100, dead(100))


def test_late_events_that_the_history_has_are_no_refusals() -> None:
    """A gateway that comes back after two days offline must not stop the plant."""
    guard = RejectGuard(window=100, share=0.5)
    guard.judge("machine-state", 100, dead(100, "beyond_horizon"))


def test_several_letters_of_one_record_are_one_refusal() -> None:
    guard = RejectGuard(window=100, share=0.5)
    guard.judge("shop-json", 100, [*dead(30), *dead(30)])
