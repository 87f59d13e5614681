"""The table of changes on a real registry: what it lets pass and we do not is known, change by change."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from millrace.cli.app import app
from schemas.contracts import contracts, from_schema
from schemas.governance.registering import Registrar
from schemas.registry import RegistrySchemas
from tests.contract_base import BASE, Schema
from tests.contract_changes import CHANGES, Change
from tests.servers import Kafka, Registry

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def client(registry: Registry) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=registry.url, trust_env=False, timeout=30) as opened:
        yield opened


def _register(client: httpx.Client, subject: str, schema: Schema) -> int:
    body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
    return client.post(f"/subjects/{subject}/versions", json=body).status_code


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title)
def test_a_registry_says_to_a_change_what_the_table_says(client: httpx.Client, change: Change) -> None:
    """Older versions are written while there is no rule, as they once came about; the newest under FULL_TRANSITIVE."""
    subject = f"changes-{CHANGES.index(change)}-value"
    for version in change.older():
        assert _register(client, subject, version) == httpx.codes.OK
    client.put(f"/config/{subject}", json={"compatibility": "FULL_TRANSITIVE"}).raise_for_status()
    answered = _register(client, subject, change.newer())
    assert answered in {httpx.codes.OK, httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY}
    assert (answered == httpx.codes.OK) is change.registry


def test_the_contracts_are_registered_once_and_checked_against_the_real_registry(registry: Registry) -> None:
    def call(*arguments: str) -> list[str]:
        done = CliRunner().invoke(app, ["contracts", *arguments, "--registry", registry.url, "--timeout", "30"])
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()

    first = call("register")
    assert len(first) == len(contracts())
    assert all(": register, set FULL_TRANSITIVE -> version 1, id " in line for line in first)
    again = call("register")
    assert all(": nothing to do -> version 1, id " in line for line in again)
    checked = call("check", "--against", "registry")
    assert [line for line in checked if not line.endswith(": unchanged, 1 released versions")] == []


def test_two_at_once_register_one_version_each(registry: Registry) -> None:
    chosen = {"Probe": from_schema({**BASE, "topic": "at-once"})}
    barrier = threading.Barrier(4)

    def run(_: int) -> int | None:
        registrar = Registrar(source, date(2026, 6, 1))
        steps = registrar.plan(chosen)
        barrier.wait(60)
        return next(registrar.carry_out(steps)).present

    with closing(RegistrySchemas(registry.url, timeout=30)) as source, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [1, 1, 1, 1]


def test_a_contract_that_refers_to_another_is_taken_by_the_real_registry(registry: Registry) -> None:
    reference = {"name": "io.millrace.v1.Probe", "subject": "referred-value", "contract": "Probe"}
    fields = [{"name": "source", "type": "string"}, {"name": "probe", "type": "io.millrace.v1.Probe"}]
    referring = {**BASE, "name": "Outer", "topic": "referring", "fields": fields, "references": [reference]}
    chosen = {each["name"]: from_schema(each) for each in (referring, {**BASE, "topic": "referred"})}
    with closing(RegistrySchemas(registry.url, timeout=30)) as source:
        registrar = Registrar(source, date(2026, 6, 1))
        assert [step.present for step in registrar.carry_out(registrar.plan(chosen))] == [1, 1]
        assert [step.actions for step in registrar.plan(chosen)] == [[], []]


def test_load_with_the_registrys_ids_is_judged_through_it_and_leaves_no_trace(
    registry: Registry, kafka: Kafka, tmp_path: Path
) -> None:
    for topic in ("machine-cycle", "shift-calendar"):
        with suppress(KafkaException):  # another test of this session may have made it
            kafka.create_topic(topic, partitions=2)
    config = tmp_path / "flow.yaml"
    config.write_text(f"kafka: {{bootstrap: '{kafka.bootstrap}'}}\nregistry: {{url: '{registry.url}'}}\n")
    before = _groups(kafka)

    def call(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, ["contracts", *arguments, "--json"])
        assert done.exit_code in {0, 1}, (done.output, done.exception)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    call("register", "MachineCycle", "ShiftCalendar", "--registry", registry.url, "--timeout", "30")
    options = ["--bootstrap", kafka.bootstrap, "--registry", registry.url, "--rate", "5000", "--timeout", "30"]
    sent = call("produce", "ShiftCalendar", "MachineCycle", *options, "--count", "500", "--seed", "5")
    cycles = sent["taken"]["machine-cycle"]
    judged = call("validate", "machine-cycle", "--config", str(config), "--last", "1000")
    assert judged["dead_letters"] == 0, judged
    assert judged["read"] >= cycles > 400
    assert _groups(kafka) == before


def _groups(kafka: Kafka) -> set[str]:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})  # one that is let go of answers nobody any more
    listed = admin.list_consumer_groups(request_timeout=30).result(timeout=60)
    return {each.group_id for each in listed.valid}
