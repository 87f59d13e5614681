"""Registering: idempotent, all or nothing before the first write, and a clear sentence for whatever a registry does."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from millrace.cli.app import app
from millrace.errors import Misconfigured, Retriable
from schemas.contracts import Contract, contracts, from_schema
from schemas.governance.registering import LEVEL, RefusedError, Registrar, Step
from schemas.registry import RegistrySchemas
from tests.contract_base import BASE, Schema
from tests.registry_fake import Answer, FakeRegistry, Fault

TODAY = date(2026, 6, 1)
SUBJECT = "probe-value"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as server:
        yield server


@pytest.fixture
def connect(fake: FakeRegistry) -> Iterator[Callable[[], Registrar]]:
    opened: list[RegistrySchemas] = []

    def make() -> Registrar:
        opened.append(RegistrySchemas(fake.url, timeout=5))
        return Registrar(opened[-1], TODAY, pause=lambda _: None)

    yield make
    for each in opened:
        each.close()


Connect = Callable[[], Registrar]


def _with(**properties: Any) -> Schema:
    return {**copy.deepcopy(BASE), **properties}


def _run(registrar: Registrar, *schemas: Schema) -> list[Step]:
    chosen: dict[str, Contract] = {each["name"]: from_schema(each) for each in schemas}
    return list(registrar.carry_out(registrar.plan(chosen)))


def test_all_contracts_get_a_version_an_id_and_the_level_and_a_second_run_writes_nothing(
    fake: FakeRegistry, connect: Connect
) -> None:
    registrar = connect()
    done = list(registrar.carry_out(registrar.plan(contracts())))
    assert {step.contract.name for step in done} == set(contracts())
    assert {step.present for step in done} == {1}
    assert fake.levels == {step.contract.subject: LEVEL for step in done}
    before = list(fake.writes)
    assert [step.actions for step in connect().plan(contracts())] == [[]] * len(contracts())
    again = list(registrar.carry_out(registrar.plan(contracts())))
    assert [step.id for step in again] == [step.id for step in done]
    assert fake.writes == before


def test_a_plan_writes_nothing(fake: FakeRegistry, connect: Connect) -> None:
    assert connect().plan(contracts())
    assert fake.writes == []


def test_one_refused_contract_keeps_all_from_being_written(fake: FakeRegistry, connect: Connect) -> None:
    fake.put(SUBJECT, _with(key="place"))
    with pytest.raises(RefusedError, match=r"nothing was registered:\nProbe: key changed from place to source"):
        _run(connect(), contracts()["Alert"].schema, BASE)
    assert fake.writes == []


def test_referred_contracts_are_registered_first_and_named_with_their_version(
    fake: FakeRegistry, connect: Connect
) -> None:
    reference = {"name": "io.millrace.v1.Line", "subject": "line-value", "contract": "Line"}
    line = _with(name="Line", topic="line")
    _run(connect(), _with(references=[reference]), line)
    assert [json.loads(each["schema"])["name"] for each in fake.bodies] == ["Line", "Probe"]
    assert fake.bodies[1]["references"] == [{"name": "io.millrace.v1.Line", "subject": "line-value", "version": 1}]


@pytest.mark.parametrize("contract", ["Probe", "Nowhere"])
def test_a_reference_in_a_circle_or_to_nowhere_is_refused(fake: FakeRegistry, connect: Connect, contract: str) -> None:
    reference = {"name": "x", "subject": "x-value", "contract": contract}
    with pytest.raises(Misconfigured, match=f"Probe: references: {contract} is"):
        _run(connect(), _with(references=[reference]))
    assert fake.writes == []


def _on(method: str, start: str, answer: Answer) -> Fault:
    return lambda asked, path: answer if asked == method and path.startswith(start) else None


HTML = "<html>a proxy speaks</html>"
#: Answers of a registry that cannot be relied on, the error they end in, and a text of its message.
FAULTS: list[tuple[Fault, type[Exception], str]] = [
    (_on("GET", "/mode", (200, {"mode": "READONLY"})), Misconfigured, "read-only; nothing was registered"),
    (_on("GET", "/subjects", (500, {})), Retriable, "answers 500"),
    (_on("GET", "/subjects", (200, HTML)), Retriable, "without JSON"),
    (_on("GET", "/subjects", (401, {"message": "who?"})), Misconfigured, "401 who?"),
    (_on("GET", "/subjects", (200, {"no": "list"})), Misconfigured, "does not list the versions"),
    (_on("GET", "/subjects", (200, ["1"])), Misconfigured, "does not list the versions"),
    (_on("GET", "/subjects/probe-value/versions/", (200, {"schema": "{"})), Misconfigured, "shows no Avro record"),
    (_on("GET", "/subjects/probe-value/versions/", (200, {"schema": '"int"'})), Misconfigured, "shows no Avro record"),
    (_on("GET", "/config", (200, [])), Misconfigured, "tells no compatibility level"),
]
#: The same once writing has begun.
WRITE_FAULTS: list[tuple[Fault, type[Exception], str]] = [
    (_on("POST", "/subjects", (403, {"message": "read only"})), Misconfigured, "lets us not write .*403 read only"),
    (_on("POST", "/subjects", (405, {})), Misconfigured, "lets us not write"),
    (_on("POST", "/subjects", (409, {"message": "incompatible"})), Misconfigured, "refuses probe-value: 409 incomp"),
    (_on("POST", "/subjects", (422, {})), Misconfigured, "refuses probe-value: 422"),
    (_on("POST", "/subjects", (503, {})), Retriable, "answers 503"),
    (_on("POST", "/subjects", (200, {"id": 1})), Retriable, "took the schema of probe-value and does not show it"),
    (_on("PUT", "/config", (403, {"message": "no"})), Misconfigured, "does not set FULL_TRANSITIVE"),
    (_on("GET", "/schemas/ids", (200, {"schema": json.dumps(_with(key="place"))})), Retriable, "shows another schema"),
]


@pytest.mark.parametrize(("fault", "error", "message"), FAULTS, ids=[each[2] for each in FAULTS])
def test_a_registry_that_fails_while_it_is_asked_is_not_written_to(
    fake: FakeRegistry, connect: Connect, fault: Fault, error: type[Exception], message: str
) -> None:
    fake.put(SUBJECT, _with(doc="Older words."))
    fake.levels[SUBJECT] = "BACKWARD"
    fake.fault = fault
    with pytest.raises(error, match=message):
        _run(connect(), BASE)
    assert fake.writes == []


@pytest.mark.parametrize(("fault", "error", "message"), WRITE_FAULTS, ids=[each[2] for each in WRITE_FAULTS])
def test_a_registry_that_fails_while_it_is_written_to_is_told_and_the_next_run_finishes(
    fake: FakeRegistry, connect: Connect, fault: Fault, error: type[Exception], message: str
) -> None:
    fake.put(SUBJECT, _with(doc="Older words."))
    fake.levels[SUBJECT] = "BACKWARD"
    fake.fault = fault
    with pytest.raises(error, match=message):
        _run(connect(), BASE)
    if error is Misconfigured:
        assert fake.levels[SUBJECT] == "BACKWARD"
    fake.fault = lambda _method, _path: None
    assert [step.present for step in _run(connect(), BASE)] == [2]
    assert fake.levels[SUBJECT] == LEVEL


def test_a_registry_without_levels_for_unknown_subjects_gets_the_level_after_the_first_version(
    fake: FakeRegistry, connect: Connect
) -> None:
    missing = (404, {"error_code": 40401})
    fake.fault = lambda method, _: missing if method == "PUT" and SUBJECT not in fake.subjects else None
    _run(connect(), BASE)
    assert fake.levels[SUBJECT] == LEVEL
    assert fake.writes[-1] == f"PUT /config/{SUBJECT}"


def test_a_registry_that_stalls_is_given_up_with_a_sentence(fake: FakeRegistry) -> None:
    def stall(_method: str, _path: str) -> Answer:
        fake.stalled.wait(60)
        return 503, {}

    fake.fault = stall
    source = RegistrySchemas(fake.url, timeout=0.2)
    with pytest.raises(Retriable, match="cannot be reached"):
        _run(Registrar(source, TODAY, pause=lambda _: None), BASE)
    source.close()


def test_two_runs_at_once_end_in_one_version(fake: FakeRegistry, connect: Connect) -> None:
    gate, results = threading.Barrier(2), list[list[Step]]()
    fake.after_write = lambda _subject: gate.wait(10) and None

    def run(registrar: Registrar) -> None:
        results.append(_run(registrar, BASE))

    threads = [threading.Thread(target=run, args=(connect(),)) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert [[(step.present, step.id) for step in steps] for steps in results] == [[(1, 1)], [(1, 1)]]
    assert list(fake.subjects[SUBJECT]) == [1]


@pytest.mark.parametrize("status", [409, 500])
def test_a_write_that_fails_because_of_another_run_is_tried_again(
    fake: FakeRegistry, connect: Connect, status: int
) -> None:
    """Real registries refuse, or fail, one of two that create a subject at the same moment."""
    failures = [status, status]

    def fail(method: str, _path: str) -> Answer | None:
        return (failures.pop(), {}) if method == "POST" and failures else None

    fake.fault = fail
    assert [step.present for step in _run(connect(), BASE)] == [1]
    assert fake.writes.count(f"POST /subjects/{SUBJECT}/versions") == 3


def test_of_two_versions_at_once_that_do_not_go_together_the_later_is_withdrawn(
    fake: FakeRegistry, connect: Connect
) -> None:
    """Both were planned while the subject was empty, so only a look back shows the other."""
    other = _with(key="place")
    fake.after_write = lambda subject: fake.put(subject, other) and None
    with pytest.raises(Misconfigured, match="ours, version 2, is withdrawn: Probe: key changed"):
        _run(connect(), BASE)
    assert [json.loads(each) for each in fake.subjects[SUBJECT].values()] == [other]


def _cli(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["contracts", "register", *arguments])


def test_the_command_shows_a_plan_registers_and_has_nothing_to_do_then(fake: FakeRegistry) -> None:
    planned = _cli("Alert", "--registry", fake.url, "--dry-run", "--json")
    assert json.loads(planned.stdout)["subjects"][0]["actions"] == ["register", f"set {LEVEL}"]
    assert fake.writes == []
    assert _cli("Alert", "--registry", fake.url).stdout == f"alert-value: register, set {LEVEL} -> version 1, id 1\n"
    assert _cli("Alert", "--registry", fake.url).stdout == "alert-value: nothing to do -> version 1, id 1\n"


def test_the_command_tells_wrong_use(tmp_path: Path) -> None:
    for wrong in (["--registry", "nowhere"], [], ["--registry", "http://x", "--registry-ca", str(tmp_path / "ca")]):
        assert isinstance(_cli(*wrong).exception, Misconfigured)
    assert isinstance(_cli("Nothing", "--registry", "http://x").exception, Misconfigured)
