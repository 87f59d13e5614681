"""Event time of a flow."""

from __future__ import annotations

from operators.clock import Clock, Tick
from operators.lane import LaneOutput
from operators.screen import NO_PROGRESS


def clock() -> Clock:
    return Clock(("a", "b"), lateness=10, horizon=100)


def heard(at: Clock, lane: str, idle: dict[str, int] | None = None, **progress: int) -> Tick:
    at.heard(LaneOutput(lane, progress=progress, idle=idle or {}))
    return at.tick()


def test_no_time_passes_before_every_lane_was_heard() -> None:
    assert heard(clock(), "a", p0=1000) == Tick(NO_PROGRESS, NO_PROGRESS)


def test_the_watermark_is_the_slowest_partition_less_the_lateness() -> None:
    time = clock()
    heard(time, "a", p0=1000, p1=700)
    assert heard(time, "b", p2=900).watermark == 690


def test_the_frontier_follows_what_was_heard_before_the_last_snapshot() -> None:
    """A tick may overtake rows of its own epoch; none of them may find its window gone."""
    time = clock()
    heard(time, "a", p0=1000)
    assert heard(time, "b", p1=1000).frontier < 0
    time.snapshot()
    heard(time, "a", p0=5000)
    assert heard(time, "b", p1=5000) == Tick(4990, 890)


def test_a_partition_that_gave_nothing_yet_holds_the_state() -> None:
    """Its first record may be old; an idle one holds the state too, but not the watermark."""
    time = clock()
    heard(time, "a", p0=1000, p1=NO_PROGRESS, idle={"p1": 800})
    heard(time, "b", p2=1000)
    time.snapshot()
    tick = time.tick()
    assert tick.watermark == 790
    assert tick.frontier < 0


def test_time_never_goes_back_also_after_a_restore() -> None:
    time = clock()
    heard(time, "a", p0=1000)
    before = heard(time, "b", p1=1000)
    restored = clock()
    restored.restore(time.snapshot())
    heard(restored, "a", p0=500)
    assert heard(restored, "b", p1=500).watermark == before.watermark
