"""Screening of event times."""

from __future__ import annotations

import numpy as np

from operators.screen import DAY, MINUTE, NO_PROGRESS, TimeLimits, screen

NOW = 1_772_431_200_000_000
LIMITS = TimeLimits()


def times(*minutes: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([NOW + m * MINUTE for m in minutes], np.int64)


def test_ordinary_rows_cost_no_masks_and_move_the_progress() -> None:
    found = screen(times(-3, -1, -2), times(0, 0, 0), NOW, NO_PROGRESS, LIMITS)
    assert (found.future, found.ancient, found.late) == (None, None, None)
    assert found.progress == NOW - MINUTE


def test_a_row_too_far_ahead_of_the_log_moves_no_clock() -> None:
    found = screen(times(-1, 6), times(0, 0), NOW, NO_PROGRESS, LIMITS)
    assert found.future is not None
    assert found.future.tolist() == [False, True]
    assert found.progress == NOW - MINUTE


def test_a_record_stamped_ahead_of_the_wall_clock_is_judged_by_the_wall_clock() -> None:
    found = screen(times(100), times(100), NOW, NO_PROGRESS, LIMITS)
    assert found.future is not None


def test_a_log_without_timestamps_is_judged_by_the_wall_clock() -> None:
    found = screen(times(-1), np.array([-1000]), NOW, NO_PROGRESS, LIMITS)
    assert found.future is None
    assert found.progress == NOW - MINUTE


def test_an_ancient_row_is_refused() -> None:
    found = screen(times(-401 * 1440, 0), times(0, 0), NOW, NO_PROGRESS, LIMITS)
    assert found.ancient is not None
    assert found.ancient.tolist() == [True, False]


def test_lateness_follows_from_the_log_and_not_from_the_batches() -> None:
    rows, logged = times(0, -1439, -1441, 5, -1436), times(9, 9, 9, 9, 9)
    whole = screen(rows, logged, NOW + DAY, NO_PROGRESS, LIMITS)
    assert whole.late is not None
    singly, progress = [], NO_PROGRESS
    for row in range(len(rows)):
        found = screen(rows[row : row + 1], logged[row : row + 1], NOW + DAY, progress, LIMITS)
        singly.append(found.late is not None)
        progress = found.progress
    assert whole.late.tolist() == singly == [False, False, True, False, True]


def test_the_first_row_of_a_partition_is_never_late() -> None:
    assert screen(times(-5000), times(0), NOW, NO_PROGRESS, LIMITS).late is None


def test_no_rows_change_nothing() -> None:
    assert screen(times(), times(), NOW, 7, LIMITS).progress == 7
