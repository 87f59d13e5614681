"""`$metadata` of an OData V2 service: entity sets and function imports with their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from sinks.erp.odata_fields import Field


@dataclass(frozen=True, slots=True)
class Metadata:
    """Fields by name of an entity set or function import, then by name of a property or parameter."""

    fields: Mapping[str, Mapping[str, Field]]

    def properties(self, name: str) -> Mapping[str, Field] | None:
        """Fields of an entity set or function import; None where the service has none of that name."""
        return self.fields.get(name)


def parse(document: bytes) -> Metadata:
    """Read an EDMX document.

    Raises:
        ValueError: It is no XML, holds a document type (which EDMX never does), or declares no entity set.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise ValueError(f"metadata is no XML: {error}") from error
    if not reader.sets:
        raise ValueError("metadata declares no entity set")
    sets = {name: reader.types.get(type_name, {}) for name, type_name in reader.sets.items()}
    return Metadata({**reader.functions, **sets})


def _refuse_doctype(*_: object) -> None:
    raise ValueError("metadata holds a document type")


@dataclass
class _Reader:
    """Collects declarations; properties and parameters belong to the type or function that was opened last."""

    types: dict[str, dict[str, Field]] = field(default_factory=dict)
    functions: dict[str, dict[str, Field]] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    _open: dict[str, Field] = field(default_factory=dict)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        kind, name = tag.rpartition(":")[2], attributes.get("Name", "")
        if kind in ("EntityType", "ComplexType"):
            self._open = self.types.setdefault(name, {})
        elif kind == "FunctionImport":
            self._open = self.functions.setdefault(name, {})
        elif kind == "EntitySet":
            self.sets[name] = attributes["EntityType"].rpartition(".")[2]
        elif kind in ("Property", "Parameter") and name:
            self._open[name] = _field(attributes)


def _field(attributes: Mapping[str, str]) -> Field:
    length = attributes.get("MaxLength") or attributes.get("Precision") or ""
    return Field(
        attributes.get("Type", ""),
        int(length) if length.isdigit() and int(length) > 0 else None,
        int(attributes.get("Scale", "0")),
    )
