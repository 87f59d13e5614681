"""What a person must know of posting is an alert: kept with what it tells of, once, shown and published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from millrace.cli.status import status
from millrace.errors import Misconfigured
from millrace.ledger import Ledger, Status
from millrace.ledger import alerts as ledger_alerts
from millrace.ledger.alerts import ALERTS, KEPT_DAYS, Alert
from millrace.ledger.compensation import CLOSED_PERIOD
from millrace.ledger.dependencies import Dependencies, DependencyRule
from millrace.ledger.outbox import Outgoing
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from sinks.erp.reports import Reports, no_route, stopped
from sinks.erp.results import Publisher
from sinks.erp.results_settings import ResultsSettings
from sinks.erp.settings import SystemSettings
from tests.conformance.erp_world import SYSTEM, Clock, World, document
from tests.unit.ledger_desk import RULES, claim, finish, want

REFUSED = {"status": Status.REJECTED, "reason": CLOSED_PERIOD, "detail": "period 02/2026 is closed"}
RULE = DependencyRule.model_validate(
    {
        "name": "release before confirmation",
        "document": {"kind": "ProductionConfirmation"},
        "waits_for": {"kind": "QualityNotification"},
        "missing": "wait",
        "overdue_after": 60,
    }
)


class Topic:
    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def send(self, found: Sequence[Outgoing]) -> bool:
        self.records += [dict(each.record) for each in found]
        return True


def told(ledger: Ledger) -> list[tuple[str, str, str]]:
    found = ledger.ask(lambda connection: ledger_alerts.recent(connection, 0))
    return [(row.severity, row.kind, row.subject) for row in found]


def test_a_closed_period_is_told_with_the_outcome_and_once_for_each_refusal(ledger: Ledger) -> None:
    want(ledger, document(**{"yield": "5"}))
    steps = claim(ledger)
    finish(ledger, steps, **REFUSED)
    finish(ledger, steps, **REFUSED)  # the answer of the commit was lost
    assert told(ledger) == [("WARNING", "closed_period", "1000001")]
    finish(ledger, claim(ledger), **REFUSED)  # the current period too: that is a dead letter
    assert len(told(ledger)) == 1


def test_a_parked_posting_is_told_and_a_refused_one_is_a_dead_letter_alone(ledger: Ledger) -> None:
    want(ledger, document(1, "1000001", **{"yield": "1"}), document(1, "1000002", **{"yield": "1"}))
    parked, refused = claim(ledger)
    finish(ledger, [parked], Status.PARKED, reason="cannot_ask", detail="the ERP cannot be asked")
    finish(ledger, [refused], Status.REJECTED, reason="M7/021")
    assert told(ledger) == [("CRITICAL", "posting_parked", "1000001")]


def test_alerts_are_published_under_an_identity_that_stays(ledger: Ledger, clock: Clock) -> None:
    want(ledger, document(**{"yield": "5"}))
    finish(ledger, claim(ledger), **REFUSED)
    first, restarted = Topic(), Topic()
    publisher = Publisher(ledger, first, ALERTS)
    assert (publisher.round(), publisher.round()) == (1, 0)
    Publisher(ledger, restarted, ALERTS).round()
    assert first.records == restarted.records
    [record] = first.records
    assert (record["kind"], record["error_class"], record["source"]) == ("closed_period", "application", "test")
    assert len(Codec(contract("Alert"), FolderSchemas()).encode(first.records)) == 1
    clock.advance(60)
    publisher.round()
    assert Publisher(ledger, Topic(), ALERTS).round() == 0


def test_the_same_fact_is_one_alert_and_old_ones_go(ledger: Ledger, clock: Clock) -> None:
    fact = no_route("P1", "GoodsMovement")
    assert [ledger.put_alerts([fact]), ledger.put_alerts([fact]), ledger.put_alerts([])] == [1, 0, 0]
    assert ledger.put_alerts([replace(fact, identity="another")]) == 1
    clock.advance((KEPT_DAYS + 1) * 86_400)
    assert ledger.put_alerts([Alert("test", "S", "new", "new")]) == 1
    ledger.forget_alerts()
    assert [kind for _, kind, _ in told(ledger)] == ["test"]


def test_a_poster_that_stops_tells_so_once_an_hour_however_often_it_starts_again(tmp_path: Path) -> None:
    world = World(tmp_path, reject_window=4, concurrency=2)
    world.erp.faults.add(kind="reject", count=None)
    world.want(*(document(1, f"{1000001 + n}", **{"yield": "1"}) for n in range(40)))
    for _ in range(2):
        with pytest.raises(Misconfigured, match="most of the latest documents were rejected"):
            world.settle()
    assert [(severity, kind, SYSTEM) for severity, kind, _ in told(world.ledger)] == [
        ("CRITICAL", "poster_stopped", SYSTEM)
    ]
    world.close()
    hour = 3_600_000_000
    assert stopped("s", "why", hour).identity != stopped("s", "why", 2 * hour).identity


def test_documents_that_wait_too_long_for_others_are_told_once(ledger: Ledger, clock: Clock) -> None:
    rules = replace(RULES, dependencies=Dependencies([RULE]))
    system = SystemSettings(name=SYSTEM, connector="sap_confirmation", base_url="https://erp.test")
    reports = Reports(ledger, system, lambda: 0.0, rules.dependencies)
    want(ledger, document(**{"yield": "5"}))
    assert ledger.claim(SYSTEM, 10, rules) == []
    reports.write()
    assert told(ledger) == []
    clock.advance(61)
    reports.write()
    reports.write()
    assert told(ledger) == [("WARNING", "dependency_overdue", SYSTEM)]


def test_status_shows_the_alerts_of_the_last_day(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shown.db"
    with Ledger(url, who="poster", answers_for=lambda _kind: "finance") as ledger:
        ledger.put_alerts([no_route("P1", "GoodsMovement")])
    app = typer.Typer()
    app.command()(status)
    [shown] = json.loads(CliRunner().invoke(app, ["--ledger", url, "--json"]).stdout)["alerts"]
    assert (shown["kind"], shown["owner"], shown["severity"]) == ("no_route", "finance", "CRITICAL")
    table = CliRunner().invoke(app, ["--ledger", url], env={"COLUMNS": "200"}).stdout
    assert "no route leads to a system for GoodsMovement of plant P1" in table


def test_no_topic_of_alerts_is_a_choice_and_asking_for_it_then_an_error() -> None:
    settings = ResultsSettings(bootstrap="kafka:9092", alerts=None)
    assert settings.topic_of("PostingResult") == "posting-result"
    with pytest.raises(Misconfigured, match="no topic is named for Alert"):
        settings.topic_of("Alert")


def test_without_an_identity_of_its_own_a_repeat_would_be_a_second_alert(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    numbers = iter(range(9))
    monkeypatch.setattr(ledger_alerts, "uuid5", lambda *_: next(numbers))
    fact = no_route("P1", "GoodsMovement")
    assert [ledger.put_alerts([fact]), ledger.put_alerts([fact])] == [1, 1]
