"""One OData service of the sandbox ERP: its metadata, its checks, and the books behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox import erp_check, erp_metadata
from sandbox.erp_rules import Rules
from sandbox.erp_store import Refused

ROOT = "/sap/opu/odata/sap"
_KEYED = re.compile(r"(\w+)\((.*)\)")
_KEY = re.compile(r"(\w+)=('(?:[^']|'')*')")


class Books(Protocol):
    """What a service keeps, with the entity sets of its metadata. Each method may raise Refused."""

    def find(self, name: str, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Entities whose fields have the wanted values."""
        ...

    def create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Book a new entity with its parts; returns it with its number."""
        ...

    def call(self, name: str, values: Mapping[str, str]) -> dict[str, Any]:
        """Carry out a function import; returns the entity that it answers with."""
        ...

    def change(self, name: str, key: Mapping[str, str], body: Mapping[str, Any]) -> None:
        """Change some fields of an entity."""
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """A service.

    Args:
        name: Name below `ROOT`.
        metadata: Its EDMX document.
        schema: What that declares.
        books: What it keeps.
        rules: Business rules that change over a test.
    """

    name: str
    metadata: bytes
    schema: Mapping[str, erp_metadata.Declared]
    books: Books
    rules: Rules

    @classmethod
    def of(cls, name: str, books: Books, rules: Rules, metadata: bytes | None = None) -> Service:
        """A service with the metadata of the sandbox, or with another one's."""
        document = metadata or erp_metadata.write(name)
        return cls(name, document, erp_metadata.read(document), books, rules)

    def find(self, name: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """A collection, filtered."""
        self._known(name)
        return self.books.find(name, erp_check.conditions(self.schema, name, query.get("$filter", "")))

    def post(self, name: str, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Create an entity or call a function import, whichever has the name."""
        declared = self._known(name)
        if not declared.keys:
            values = erp_check.parameters(self.schema, name, query)
            self.rules.check_date(values.get("PostingDate"))
            return self.books.call(name, values)
        parsed = _parsed(body)
        erp_check.check_entity(self.schema, name, parsed)
        self.rules.check(parsed)
        return self.books.create(name, parsed)

    def change(self, path: str, body: bytes) -> None:
        """Change some fields of the entity that the path names by its key."""
        keyed = _KEYED.fullmatch(path)
        if keyed is None:
            raise Refused("SANDBOX/BAD_VALUE", f"{path!r} names no entity")
        self._known(keyed[1])
        key = erp_check.parameters(self.schema, keyed[1], dict(_KEY.findall(keyed[2])))
        parsed = _parsed(body)
        erp_check.check_change(self.schema, keyed[1], parsed)
        self.books.change(keyed[1], key, parsed)

    def _known(self, name: str) -> erp_metadata.Declared:
        if name not in self.schema:
            raise Refused("/IWFND/MED/170", f"Resource not found for the segment '{name}'")
        return self.schema[name]


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise Refused("SANDBOX/JSON", f"Malformed body: {error}") from error
    if not isinstance(parsed, dict):
        raise Refused("SANDBOX/JSON", "The body is no object")
    return parsed
