"""Backoff, rate limit, breaker, reject guard and settings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from millrace.errors import Misconfigured
from sinks.erp.connector import Answer
from sinks.erp.limits import Breaker, RejectGuard, TokenBucket
from sinks.erp.policy import backoff
from sinks.erp.registry import create
from sinks.erp.retry_after import retry_after
from sinks.erp.settings import PosterSettings
from tests.conformance.erp_world import Clock

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
SYSTEM = {"name": "sap", "connector": "sap_confirmation", "base_url": "https://erp.test/service"}


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_backoff_stays_between_half_and_all_of_its_capped_ceiling(failures: int, chance: float) -> None:
    ceiling = min(60.0, 0.5 * 2.0 ** min(failures - 1, 60))
    assert ceiling / 2 <= backoff(failures, 0.5, 60.0, chance) <= ceiling


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 02 Mar 2026 06:01:00 GMT", 60.0),
        ("Mon, 02 Mar 2026 05:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(header: str, seconds: float | None) -> None:
    assert retry_after(Answer(429, {"retry-after": header}, b""), NOW) == seconds


def test_the_bucket_grants_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=5, clock=clock.seconds)
    bucket.spend(bucket.available(100))
    assert bucket.available(100) == 0
    clock.advance(0.31)
    assert bucket.available(100) == 3
    clock.advance(60)
    assert bucket.available(100) == 5


def test_the_breaker_opens_probes_one_at_a_time_and_closes_on_an_answer() -> None:
    clock = Clock()
    breaker = Breaker(threshold=3, cool_off=1, cool_off_cap=60, clock=clock.seconds)
    for _ in range(3):
        assert breaker.allowance(16, running=0) == 16
        breaker.failed()
    assert (breaker.is_open, breaker.allowance(16, running=0)) == (True, 0)
    clock.advance(1.1)
    assert (breaker.allowance(16, running=0), breaker.allowance(16, running=1)) == (1, 0)
    breaker.failed()
    clock.advance(1.1)
    assert breaker.allowance(16, running=0) == 0, "the second cool-off is longer"
    clock.advance(1)
    breaker.succeeded()
    assert breaker.allowance(16, running=0) == 16


def test_the_breakers_cool_off_is_capped() -> None:
    clock = Clock()
    breaker = Breaker(threshold=1, cool_off=1, cool_off_cap=60, clock=clock.seconds)
    for _ in range(500):
        breaker.failed()
    clock.advance(60.1)
    assert breaker.allowance(16, running=0) == 1


def test_the_reject_guard_decides_on_a_full_window_only() -> None:
    guard = RejectGuard(window=4, share=0.5)
    for rejected in (True, True, True):
        guard.add(rejected)
    assert not guard.tripped
    guard.add(False)
    assert guard.tripped
    guard.add(False)
    assert not guard.tripped


def test_routes_go_by_plant_and_kind_and_the_first_match_counts() -> None:
    settings = PosterSettings(
        ledger="sqlite://",
        systems=[SYSTEM, {**SYSTEM, "name": "oracle"}],
        routes=[{"plant": "US*", "system": "oracle"}, {"kind": "Production*", "system": "sap"}],
    )
    assert settings.route("US01", "ProductionConfirmation") == "oracle"
    assert settings.route("DE01", "ProductionConfirmation") == "sap"
    assert settings.route("DE01", "GoodsMovement") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"systems": [SYSTEM, SYSTEM]},
        {"systems": [SYSTEM], "routes": [{"system": "nowhere"}]},
        {"systems": [SYSTEM, {**SYSTEM, "name": "b"}]},
        {"systems": [{**SYSTEM, "base_url": "ftp://erp.test"}]},
        {"systems": [{**SYSTEM, "auth": {"kind": "basic", "user": "u"}}]},
        {"systems": [{**SYSTEM, "colour": "red"}]},
        {"systems": []},
    ],
)
def test_settings_that_cannot_work_are_refused_when_read(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        PosterSettings(ledger="sqlite://", **wrong)


def test_an_unknown_option_of_a_connector_is_named() -> None:
    with pytest.raises(Misconfigured, match="time_units"):
        create("sap_confirmation", {"time_units": "H"})
    with pytest.raises(Misconfigured, match="known: sap_confirmation"):
        create("sapp", {})
