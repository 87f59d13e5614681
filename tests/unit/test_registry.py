"""Where schemas come from, and what an outage of the registry means."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.errors import Misconfigured, Rejected, Retriable
from schemas import registry
from schemas.contracts import AVRO_FOLDER, contract, contracts
from schemas.registry import FolderSchemas, RegistrySchemas, UnknownSchema, schema_guid, schema_id

SCHEMA = contract("MachineCycle").schema


class Server:
    """Answers requests from a list and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.asked = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _source(server: Callable[[httpx.Request], httpx.Response], **options: Any) -> RegistrySchemas:
    return RegistrySchemas("https://registry.test/v7/", transport=httpx.MockTransport(server), **options)


def _found(schema: object = SCHEMA) -> httpx.Response:
    return httpx.Response(200, json={"schema": json.dumps(schema)})


def test_a_schema_is_asked_for_once_and_then_survives_the_registry() -> None:
    server = Server(_found(), httpx.ConnectError("down"))
    source = _source(server, auth=("user", "secret"))
    assert source.schema(7) == SCHEMA
    assert source.schema(7) == SCHEMA
    with pytest.raises(Retriable):
        source.schema(8)
    assert [request.url.path for request in server.asked] == ["/v7/schemas/ids/7", "/v7/schemas/ids/8"]
    assert server.asked[0].headers["authorization"] == f"Basic {base64.b64encode(b'user:secret').decode()}"


def test_a_guid_is_looked_up_as_such() -> None:
    server = Server(_found())
    guid = schema_guid(SCHEMA)
    assert _source(server).schema(guid) == SCHEMA
    assert server.asked[0].url.path == f"/v7/schemas/guids/{guid}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("gone"),
        httpx.Response(429),
        httpx.Response(500, json={"message": "no leader"}),
        httpx.Response(503),
        httpx.Response(200, text="<html>a proxy speaks</html>"),
        httpx.Response(404, text="<html>a proxy speaks</html>"),
        httpx.Response(200, json={"unrelated": 1}),
        httpx.Response(200, content=b"x" * 64),
    ],
    ids=lambda answer: repr(answer)[:40],
)
def test_whatever_may_pass_is_retriable_and_asked_again(
    answer: httpx.Response | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(answer, httpx.Response) and answer.content.startswith(b"x"):
        monkeypatch.setattr(registry, "MAX_ANSWER", 32)
        server = Server(answer)
        with pytest.raises(Retriable, match="more than 32 bytes"):
            _source(server).schema(7)
        return
    source = _source(Server(answer, _found()))
    with pytest.raises(Retriable):
        source.schema(7)
    assert source.schema(7) == SCHEMA


def test_an_id_that_the_registry_does_not_know_is_rejected_and_not_asked_for_again_for_a_while() -> None:
    now = [0.0]
    absent = {"error_code": 40403, "message": "Schema not found"}
    server = Server(httpx.Response(404, json=absent), _found())
    source = _source(server, clock=lambda: now[0], forget_after=30)
    for now[0] in (0.0, 10.0, 29.0):
        with pytest.raises(UnknownSchema) as caught:
            source.schema(7)
    assert isinstance(caught.value, Rejected)
    assert caught.value.reason == "unknown_schema"
    assert len(server.asked) == 1
    now[0] = 31.0
    assert source.schema(7) == SCHEMA


def test_a_schema_of_another_kind_is_never_readable() -> None:
    answer = httpx.Response(200, json={"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"})
    with pytest.raises(UnknownSchema):
        _source(Server(answer)).schema(7)


def test_wrong_credentials_stop_the_process_instead_of_rejecting_records() -> None:
    with pytest.raises(Misconfigured, match="401"):
        _source(Server(httpx.Response(401, json={"message": "who?"}))).schema(7)


def test_registering_a_schema_gives_its_id_once() -> None:
    server = Server(httpx.Response(200, json={"id": 42}))
    source = _source(server)
    assert [source.id_for("machine-cycle-value", SCHEMA) for _ in range(2)] == [42, 42]
    assert server.asked[0].url.path == "/v7/subjects/machine-cycle-value/versions"
    assert json.loads(json.loads(server.asked[0].content)["schema"]) == SCHEMA


def test_a_schema_that_the_registry_refuses_stops_the_process() -> None:
    refusal = httpx.Response(409, json={"message": "incompatible at /fields/1"})
    with pytest.raises(Misconfigured, match="machine-cycle-value: 409 incompatible"):
        _source(Server(refusal)).id_for("machine-cycle-value", SCHEMA)


@pytest.mark.parametrize("name", list(contracts()))
def test_the_folder_knows_every_contract_by_the_id_it_writes_with(name: str) -> None:
    source, schema = FolderSchemas(), contract(name).schema
    assert source.schema(source.id_for("any", schema)) == schema
    assert source.schema(schema_guid(schema)) == schema


def test_the_folder_knows_released_versions_beside_the_current_ones(tmp_path: Path) -> None:
    shutil.copytree(AVRO_FOLDER, tmp_path / "avro")
    released = json.loads((AVRO_FOLDER / "MachineCycle.avsc").read_text())
    released["fields"].pop()
    (tmp_path / "avro/released/MachineCycle/9.avsc").write_text(json.dumps(released))
    source = FolderSchemas(tmp_path / "avro")
    assert source.schema(schema_id(released)) == released
    assert source.schema(schema_id(SCHEMA)) == SCHEMA
    with pytest.raises(UnknownSchema):
        FolderSchemas().schema(schema_id(released))


def test_ids_depend_on_meaning_and_not_on_documentation() -> None:
    documented = {**SCHEMA, "doc": "other words", "owner": "someone"}
    rescaled = json.loads(json.dumps(SCHEMA).replace('"scale": 6', '"scale": 3'))
    assert schema_id(documented) == schema_id(SCHEMA)
    assert schema_id(rescaled) != schema_id(SCHEMA)
    assert 0 < schema_id(SCHEMA) < 1 << 31


def test_a_folder_with_a_broken_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "Broken.avsc").write_text("{")
    with pytest.raises(Misconfigured, match=r"Broken\.avsc"):
        FolderSchemas(tmp_path)
