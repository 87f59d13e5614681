"""What SAP's Gateway and application check before they book, in front of a server that takes everything.

The sandbox ERP's sessions, checks of fields and keys, business rules and faults; whatever passes goes on to the OData
server, whose answers come back as SAP would word them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from sandbox import erp_metadata
from sandbox.erp_rules import Rules
from sandbox.erp_service import Service
from sandbox.erp_store import Refused


class Forwarded:
    """The OData server as the books of one service.

    Args:
        client: The caller's, who closes it.
        url: Root of the service there.
        schema: What its metadata declares.
    """

    def __init__(self, client: httpx.Client, url: str, schema: Mapping[str, erp_metadata.Declared]) -> None:
        self._client = client
        self._url = url
        self._schema = schema

    def find(self, name: str, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """A filtered collection."""
        condition = " and ".join(f"{field} eq {self._literal(name, field, wanted[field])}" for field in wanted)
        query = {"$format": "json", **({"$filter": condition} if condition else {})}
        answer = self._client.get(f"{self._url}/{name}", params=query)
        found: list[dict[str, Any]] = _content(answer)["results"]
        return found

    def create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A new entity with its parts."""
        return _content(self._client.post(f"{self._url}/{name}", json=body))

    def call(self, name: str, values: Mapping[str, str]) -> dict[str, Any]:
        """A function import; the server behind looks for parameters in the body alone, where SAP takes the query."""
        return _content(self._client.post(f"{self._url}/{name}", json=dict(values)))

    def change(self, name: str, key: Mapping[str, str], body: Mapping[str, Any]) -> None:
        """Some fields of an entity that exists."""
        if not self.find(name, key):
            raise Refused("06/011", f"{name} {dict(key)} does not exist")
        inner = ",".join(f"{field}='{value}'" for field, value in key.items())
        _content(self._client.patch(f"{self._url}/{name}({inner})", json=body))

    def _literal(self, name: str, field: str, value: str) -> str:
        kind = self._schema[name].fields[field].type
        quoted = "'" + value.replace("'", "''") + "'"
        return {"Edm.Guid": f"guid{quoted}", "Edm.DateTime": f"datetime{quoted}"}.get(kind, quoted)


def _content(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        try:
            error = answer.json()["error"]
        except (ValueError, KeyError) as odd:
            raise RuntimeError(f"the OData server said HTTP {answer.status_code}: {answer.text[:500]}") from odd
        raise Refused(error["code"], error["message"]["value"])
    content: dict[str, Any] = json.loads(answer.content)["d"]
    return content


def gate(client: httpx.Client, url: str, metadata: Path) -> Callable[[Rules], Sequence[Service]]:
    """Services for `SandboxErp`, one per metadata file, that go on to the OData server at `url`."""

    def services(rules: Rules) -> list[Service]:
        return [_service(client, url, file, rules) for file in sorted(metadata.glob("API_*.edmx"))]

    return services


def _service(client: httpx.Client, url: str, file: Path, rules: Rules) -> Service:
    document = file.read_bytes()
    books = Forwarded(client, f"{url}/{file.stem}", erp_metadata.read(document))
    return Service.of(file.stem, books, rules, document)
