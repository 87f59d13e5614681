"""One property or parameter of an OData V2 service: its type, its bounds, and how a value is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millrace.errors import Rejected
from sinks.erp import odata


@dataclass(frozen=True, slots=True)
class Field:
    """One property or parameter.

    Args:
        type: `Edm.String`, `Edm.Decimal`, `Edm.DateTime` (a calendar day), `Edm.Time`, `Edm.Guid`, `Edm.Boolean`.
        length: Characters of a string, digits of a decimal; None means no bound.
        scale: Decimal places.
        required: A service without it cannot be used.
    """

    type: str
    length: int | None = None
    scale: int = 3
    required: bool = False

    def json(self, name: str, value: Any) -> Any:
        """The value in a body.

        Raises:
            Rejected: It does not fit; the ERP would cut or refuse it.
        """
        if self.type == "Edm.Decimal":
            return odata.decimal_value(value, self.length or 13, self.scale, name)
        if self.type == "Edm.DateTime":
            return odata.date_value(value)
        if self.type == "Edm.Time":
            return odata.time_value(value)
        if self.type == "Edm.String":
            self._check(name, value)
        return value

    def literal(self, name: str, value: Any) -> str:
        """The value in a URL, percent-encoded.

        Raises:
            Rejected: It does not fit.
        """
        if self.type == "Edm.DateTime":
            return odata.date_literal(value)
        if self.type == "Edm.Guid":
            return odata.guid_literal(value)
        self._check(name, value)
        return odata.string_literal(value, name)

    def _check(self, name: str, value: str) -> None:
        odata.refuse_control_characters(value, name)
        if self.length is not None and len(value) > self.length:
            raise Rejected("value_too_long", f"{name}: {value!r} has more than {self.length} characters")


def text(length: int, *, required: bool = False) -> Field:
    """A string of at most so many characters."""
    return Field("Edm.String", length, required=required)


def decimal(precision: int, scale: int, *, required: bool = False) -> Field:
    """A decimal."""
    return Field("Edm.Decimal", precision, scale, required=required)


DATE = Field("Edm.DateTime")
TIME = Field("Edm.Time")
FLAG = Field("Edm.Boolean")
