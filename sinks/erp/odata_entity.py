"""What a connector may send to an entity set or function import, and values written by that table.

A connector declares every field that it knows to fill. `known_to` narrows the table to the fields and lengths of the
release at hand, as its `$metadata` tells them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from millrace.errors import Misconfigured
from sinks.erp.odata_fields import Field
from sinks.erp.odata_metadata import Metadata


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity set or function import.

    Args:
        name: Its name below the service.
        fields: Fields that may be sent, by name.
        parts: Entities of a deep insert by navigation property.
    """

    name: str
    fields: Mapping[str, Field]
    parts: Mapping[str, Entity] = field(default_factory=dict)

    def body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as JSON; None and fields that the service does not know are left out."""
        out = {
            name: self.fields[name].json(name, value)
            for name, value in values.items()
            if value is not None and name in self.fields
        }
        for name, part in self.parts.items():
            if items := values.get(name):
                out[name] = [part.body(item) for item in items]
        return out

    def parameters(self, values: Mapping[str, Any]) -> str:
        """Values as parameters of a function import, for a query string."""
        known = ((name, value) for name, value in values.items() if value is not None and name in self.fields)
        return "&".join(f"{name}={self.fields[name].literal(name, value)}" for name, value in known)

    def key(self, values: Mapping[str, Any]) -> str:
        """The path of one entity, `Set(Key='...')`."""
        inner = ",".join(f"{name}={self.fields[name].literal(name, value)}" for name, value in values.items())
        return f"{self.name}({inner})"

    def known_to(self, metadata: Metadata) -> Entity:
        """The same, narrowed to what the service knows; lengths and scales are the service's.

        Raises:
            Misconfigured: The service lacks the entity or a required field.
        """
        known = metadata.properties(self.name)
        if known is None:
            raise Misconfigured(f"the service has no {self.name}: is the base_url that of the right service?")
        lacking = [name for name, wanted in self.fields.items() if wanted.required and name not in known]
        if lacking:
            raise Misconfigured(f"{self.name} of the service lacks {', '.join(lacking)}")
        fields = {name: _measured(wanted, known[name]) for name, wanted in self.fields.items() if name in known}
        parts = {name: part.known_to(metadata) for name, part in self.parts.items()}
        return replace(self, fields=fields, parts=parts)

    def missing_in(self, narrowed: Entity) -> Iterator[str]:
        """Names of the fields that `known_to` has left out, as `Entity.Field`."""
        yield from (f"{self.name}.{name}" for name in self.fields if name not in narrowed.fields)
        for name, part in self.parts.items():
            yield from part.missing_in(narrowed.parts[name])


def _measured(wanted: Field, known: Field) -> Field:
    return replace(known, required=wanted.required, length=known.length or wanted.length)
