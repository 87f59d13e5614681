"""The table of changes on a real registry: what it lets pass and we do not is known, change by change."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.contract_base import Schema
from tests.contract_changes import CHANGES, Change
from tests.servers import Registry

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def client(registry: Registry) -> httpx.Client:
    return httpx.Client(base_url=registry.url, trust_env=False, timeout=30)


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
