"""Where schemas come from: the released contracts of this package, or a Confluent-compatible registry.

An outage is never an answer: it raises `Retriable`, so that nobody takes it for bad data. Only a registry
that says "there is no such schema" makes a record a reject.
"""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid5

import httpx

from millrace.errors import Misconfigured, Rejected, Retriable
from millrace.redact import redact
from schemas.contracts import AVRO_FOLDER, Schema, fingerprint

#: Bytes of a registry's answer; a contract has some ten thousand.
MAX_ANSWER = 4 << 20
#: A user, a password or a right is wrong; no retry mends it.
_REFUSED = {401, 403}
_NAMESPACE = UUID("6f0d1c0e-6a2f-5f0e-9d0a-3f1f6f7c2b11")


class UnknownSchema(Rejected):
    """No schema has this id."""

    def __init__(self, key: int | UUID) -> None:
        super().__init__("unknown_schema", f"no schema has the id {key}")


class SchemaSource(Protocol):
    """Looks schemas up and knows the ids to write with."""

    def schema(self, key: int | UUID) -> Schema:
        """Writer's schema by id, or by GUID where the record's header carries one.

        Raises:
            UnknownSchema: There is none.
            Retriable: It cannot be known now.
        """

    def id_for(self, subject: str, schema: Schema) -> int:
        """Id to write records of this schema with; registers the schema where that is needed.

        Raises:
            Retriable: It cannot be known now.
            Misconfigured: The schema is refused for this subject.
        """


def schema_id(schema: Schema) -> int:
    """Deterministic id of a schema outside any registry: 31 bits of its fingerprint, never 0."""
    return int.from_bytes(fingerprint(schema)[:4], "big") & 0x7FFFFFFF or 1


def schema_guid(schema: Schema) -> UUID:
    """Deterministic GUID of a schema outside any registry."""
    return uuid5(_NAMESPACE, fingerprint(schema).hex())


class FolderSchemas:
    """Schemas from a folder: the current `.avsc` files and the released versions below `released/<Name>/`.

    Args:
        path: Folder of the contracts.

    Raises:
        Misconfigured: Two schemas have one id.
    """

    def __init__(self, path: Path = AVRO_FOLDER) -> None:
        self._known: dict[int | UUID, Schema] = {}
        for schema in _stored(path):
            self._add(schema)

    def schema(self, key: int | UUID) -> Schema:
        """See `SchemaSource`; never raises `Retriable`."""
        found = self._known.get(key)
        if found is None:
            raise UnknownSchema(key)
        return found

    def id_for(self, subject: str, schema: Schema) -> int:
        """Id of a schema under any subject; one that is not in the folder is known from then on."""
        del subject
        self._add(schema)
        return schema_id(schema)

    def _add(self, schema: Schema) -> None:
        known = self._known.setdefault(schema_id(schema), schema)
        if fingerprint(known) != fingerprint(schema):
            raise Misconfigured(f"schemas {known['name']} and {schema['name']} have the same id: change a default")
        self._known.setdefault(schema_guid(schema), schema)


def _stored(path: Path) -> Iterator[Schema]:
    for file in (*sorted(path.glob("*.avsc")), *sorted(path.glob("released/*/*.avsc"))):
        try:
            yield json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise Misconfigured(f"{file}: no JSON: {error}") from error


class RegistrySchemas:
    """Schemas from a Confluent-compatible registry over HTTP.

    What was answered once is kept for ever (ids never change their meaning), so known ids survive the
    registry. "There is no such id" is kept for `forget_after` seconds, so that a bad record does not hammer
    the registry.

    Args:
        url: Base URL, such as https://registry.example/apis/ccompat/v7.
        auth: User and password for basic authentication.
        ca: File with the certificate authority to trust instead of the system's.
        timeout: Seconds for one request.
        forget_after: Seconds for which an unknown id stays unknown.
        transport: Replaces the network in tests.
        clock: Seconds, monotonic.

    Raises:
        Misconfigured: The authority's file is not there, or holds no certificate.
    """

    def __init__(
        self,
        url: str,
        *,
        auth: tuple[str, str] | None = None,
        ca: Path | None = None,
        timeout: float = 5.0,
        forget_after: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        verify = _trusting(ca) if ca else True
        if auth is not None:  # as a refusing registry may repeat it
            redact.keep_out(b64encode(":".join(auth).encode()).decode())
        self._http = httpx.Client(auth=auth, verify=verify, timeout=timeout, transport=transport, trust_env=False)
        self._schemas: dict[int | UUID, Schema] = {}
        self._ids: dict[tuple[str, bytes], int] = {}
        self._absent: dict[int | UUID, float] = {}
        self._forget_after, self._clock = forget_after, clock

    def schema(self, key: int | UUID) -> Schema:
        """See `SchemaSource`."""
        if key not in self._schemas:
            if self._absent.get(key, -1.0) > self._clock():
                raise UnknownSchema(key)
            self._schemas[key] = self._fetch(key)
        return self._schemas[key]

    def id_for(self, subject: str, schema: Schema) -> int:
        """Register the schema under its subject; a registry answers the existing id for a known one."""
        key = (subject, fingerprint(schema))
        if key not in self._ids:
            body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
            status, answer = self.ask("POST", f"/subjects/{subject}/versions", body)
            if status in _REFUSED:
                raise Misconfigured(_stranger(status, answer))
            if status != 200 or not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
                raise Misconfigured(f"the registry refuses the schema of {subject}: {status} {reason(answer)}")
            self._ids[key] = answer["id"]
        return self._ids[key]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _fetch(self, key: int | UUID) -> Schema:
        status, answer = self.ask("GET", f"/schemas/{'guids' if isinstance(key, UUID) else 'ids'}/{key}")
        if status == 404:
            self._remember_absent(key)
            raise UnknownSchema(key)
        if status in _REFUSED:
            raise Misconfigured(_stranger(status, answer))
        if status != 200:
            raise Misconfigured(f"the registry refuses to show schema {key}: {status} {reason(answer)}")
        return _parsed(answer, key)

    def _remember_absent(self, key: int | UUID) -> None:
        now = self._clock()
        self._absent = {each: until for each, until in self._absent.items() if until > now}
        self._absent[key] = now + self._forget_after

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of an answer; everything that may pass by itself is retriable.

        Args:
            method: HTTP method.
            path: Path behind the base URL, quoted.
            body: What is sent as JSON.

        Raises:
            Retriable: No answer, one that a later call may better, or one that is no JSON.
        """
        try:
            with self._http.stream(method, self._url + path, json=body) as response:
                content = _read(response)
        except httpx.TransportError as error:
            raise Retriable(f"the schema registry cannot be reached: {error!r}") from error
        if response.status_code in {408, 425, 429} or response.status_code >= 500:
            raise Retriable(f"the schema registry answers {response.status_code}")
        try:
            answer = json.loads(content)
        except ValueError as error:
            if response.status_code in _REFUSED:  # a proxy in front of it says so in words of its own
                return response.status_code, {}
            raise Retriable(f"the schema registry answers {response.status_code} without JSON") from error
        return response.status_code, answer


def _trusting(ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca))
    except OSError as error:  # what is no certificate, too
        raise Misconfigured(f"registry ca {ca}: {error.strerror or error}") from error


def _read(response: httpx.Response) -> bytes:
    content = b""
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER:
            raise Retriable(f"the schema registry answers more than {MAX_ANSWER} bytes")
    return content


def reason(answer: Any) -> str:
    """What a registry says of its refusal, in bounds."""
    return str(answer.get("message", ""))[:500] if isinstance(answer, dict) else ""


def _stranger(status: int, answer: Any) -> str:
    told = reason(answer)
    return f"the schema registry refuses us ({status}): check its user and password{f': {told}' if told else ''}"


def _parsed(answer: Any, key: int | UUID) -> Schema:
    """Schema in a registry's answer; one of another kind is known and can never be read as Avro."""
    try:
        schema = json.loads(answer["schema"]) if answer.get("schemaType", "AVRO") == "AVRO" else None
    except (KeyError, TypeError, ValueError) as error:
        raise Retriable(f"the schema registry answers no schema for {key}") from error
    if not isinstance(schema, dict):
        raise UnknownSchema(key)
    return schema
