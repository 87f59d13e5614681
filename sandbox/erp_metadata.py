"""`$metadata` of the sandbox ERP's services: written from its tables, and read back for its checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from sandbox.erp_fields import SERVICES, EntityFields, ServiceFields

_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"'
    ' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
    ' xmlns:sap="http://www.sap.com/Protocols/SAPData"><edmx:DataServices m:DataServiceVersion="2.0">'
    '<Schema Namespace="{name}" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">'
)
_TYPES = {
    "decimal": 'Edm.Decimal" Precision="13" Scale="3',
    "date": 'Edm.DateTime" Precision="0',
    "time": 'Edm.Time" Precision="0',
    "guid": "Edm.Guid",
    "flag": "Edm.Boolean",
}


@dataclass(frozen=True, slots=True)
class Property:
    """A field as declared: Edm type, and most characters where it is a string."""

    type: str
    length: int | None


@dataclass(frozen=True, slots=True)
class Declared:
    """An entity set or function import: its fields, its keys, its entity sets by navigation property."""

    fields: Mapping[str, Property]
    keys: tuple[str, ...]
    parts: Mapping[str, str]


def write(name: str) -> bytes:
    """The metadata of one of the sandbox's services."""
    return "".join(_lines(name, SERVICES[name])).encode()


def _lines(name: str, service: ServiceFields) -> Iterator[str]:
    yield _HEAD.format(name=name)
    for set_name, entity in service.sets.items():
        yield f'<EntityType Name="{set_name}Type"><Key>'
        yield from (f'<PropertyRef Name="{key}"/>' for key in entity.keys)
        yield "</Key>"
        yield from (_property("Property", field, kind, field in entity.keys) for field, kind in entity.fields.items())
        yield from (
            f'<NavigationProperty Name="{part}" Relationship="{name}.{part}" FromRole="one" ToRole="many"/>'
            for part in entity.parts
        )
        yield "</EntityType>"
    parts = [(one, part, many) for one, entity in service.sets.items() for part, many in entity.parts.items()]
    for one, part, many in parts:
        yield f'<Association Name="{part}">{_end(name, one, "1", "one")}{_end(name, many, "*", "many")}'
        yield f"{_constraint(service.sets[one])}</Association>"
    yield f'<EntityContainer Name="{name}_Entities" m:IsDefaultEntityContainer="true">'
    yield from (f'<EntitySet Name="{each}" EntityType="{name}.{each}Type"/>' for each in service.sets)
    for one, part, many in parts:
        ends = f'<End EntitySet="{one}" Role="one"/><End EntitySet="{many}" Role="many"/>'
        yield f'<AssociationSet Name="{part}" Association="{name}.{part}">{ends}</AssociationSet>'
    for function, (entity, answer) in service.functions.items():
        of = f"{name}.{answer}Type"
        yield f'<FunctionImport Name="{function}" ReturnType="{of}" EntitySet="{answer}" m:HttpMethod="POST"'
        yield f' sap:action-for="{of}">'
        yield from (_property("Parameter", field, kind, False) for field, kind in entity.fields.items())
        yield "</FunctionImport>"
    yield "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"


def _property(tag: str, name: str, kind: int | str, key: bool) -> str:
    described = f'Edm.String" MaxLength="{kind}' if isinstance(kind, int) else _TYPES[kind]
    mode = ' Mode="In"' if tag == "Parameter" else ' Nullable="false"' if key else ""
    return f'<{tag} Name={quoteattr(name)} Type="{described}"{mode}/>'


def _end(name: str, entity_set: str, multiplicity: str, role: str) -> str:
    return f'<End Type="{name}.{entity_set}Type" Multiplicity="{multiplicity}" Role="{role}"/>'


def _constraint(one: EntityFields) -> str:
    keys = "".join(f'<PropertyRef Name="{key}"/>' for key in one.keys)
    principal, dependent = f'<Principal Role="one">{keys}', f'<Dependent Role="many">{keys}'
    return f"<ReferentialConstraint>{principal}</Principal>{dependent}</Dependent></ReferentialConstraint>"


def read(document: bytes) -> dict[str, Declared]:
    """Entity sets and function imports by name, of any OData V2 service."""
    elements = list(ElementTree.fromstring(document).iter())  # noqa: S314 - a file of the sandbox or of a test
    types = {e.get("Name"): e for e in elements if _tag(e) == "EntityType"}
    sets = {e.get("Name", ""): types[_last(e.get("EntityType"))] for e in elements if _tag(e) == "EntitySet"}
    set_of = {of: name for name, element in sets.items() for of in [element.get("Name")]}
    ends = {
        (association.get("Name"), end.get("Role")): set_of.get(_last(end.get("Type")), "")
        for association in elements
        if _tag(association) == "Association"
        for end in association
        if _tag(end) == "End"
    }
    functions = {e.get("Name", ""): e for e in elements if _tag(e) == "FunctionImport"}
    return {name: _declared(element, ends) for name, element in {**sets, **functions}.items()}


def _declared(element: ElementTree.Element, ends: Mapping[tuple[str | None, str | None], str]) -> Declared:
    fields = {
        child.get("Name", ""): Property(child.get("Type", ""), int(child.get("MaxLength") or 0) or None)
        for child in element
        if _tag(child) in ("Property", "Parameter")
    }
    keys = tuple(key.get("Name", "") for key in element.iter() if _tag(key) == "PropertyRef")
    parts = {
        child.get("Name", ""): ends[_last(child.get("Relationship")), child.get("ToRole")]
        for child in element
        if _tag(child) == "NavigationProperty"
    }
    return Declared(fields, keys, parts)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _last(qualified: str | None) -> str:
    return (qualified or "").rpartition(".")[2]
