"""Alerts on a real Prometheus: the fault of a runbook sets its alert off, and its repair ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring.fast import fast_rules
from tests.monitoring.plant import ORDER
from tests.monitoring.trials import TRIALS, Trial
from tests.servers.prometheus import Prometheus

FAST = {"window": "1s", "lateness_s": 0.5, "idle_s": 0.5}
"""Windows that close at once, so that a piece is a document a moment later."""


class Watch:
    """A plant at work and the Prometheus that watches it."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        given = trial.settings
        self.plant = trial.plant(
            folder, flow={**FAST, **given.get("flow", {})}, poster=given.get("poster"), system=given.get("system")
        )
        self.prometheus = Prometheus(folder, self.plant.jobs, fast_rules(folder / "rules.yaml"))

    def begin(self) -> None:
        plant = self.plant
        plant.start_broker()
        plant.start_erp()
        plant.start_flow()
        plant.start_poster()
        for port in (plant.flow_port, plant.poster_port):
            plant.wait_ready(port)
        plant.release(ORDER)
        plant.piece()
        plant.wait(lambda: self.sees("millrace_newest_event_timestamp_seconds"), "nothing is scraped")
        plant.wait(lambda: not self.prometheus.firing() & {"MillraceProcessDown"}, "it looks down from its start on")

    def sees(self, expression: str) -> bool:
        return bool(self.prometheus.query(expression))

    def close(self) -> None:
        self.plant.close()
        self.prometheus.close()


@pytest.fixture
def watch(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watch]:
    made = Watch(tmp_path, request.param)
    yield made
    made.close()


def _tried() -> list[object]:
    slow = pytest.mark.slow
    return [pytest.param(trial, trial, id=name, marks=() if trial.quick else slow) for name, trial in TRIALS.items()]


@pytest.mark.server
@pytest.mark.parametrize(("watch", "trial"), _tried(), indirect=["watch"])
def test_a_fault_sets_its_alert_off_and_the_repair_ends_it(watch: Watch, trial: Trial) -> None:
    watch.begin()
    wanted = set(trial.alerts)
    assert not watch.prometheus.firing() & wanted, "it fires before anything has happened"
    trial.fault(watch.plant)

    def fires() -> bool:
        trial.keep(watch.plant)
        return wanted <= watch.prometheus.firing()

    watch.plant.wait(fires, f"{wanted} did not fire")
    trial.repair(watch.plant)
    watch.plant.wait(lambda: not watch.prometheus.firing() & wanted, f"{wanted} did not end")
