"""Business rules of the sandbox ERP that a test changes while it runs: open periods, stock, what is locked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sandbox.erp_store import Refused

_JSON_DATE = re.compile(r"/Date\((\d+)\)/")


@dataclass
class Rules:
    """What the ERP refuses; nothing in the beginning.

    Args:
        open_from: Earlier posting dates are in a closed period.
        locked: Orders and materials that somebody else is working on.
        unknown: Orders and materials that do not exist.
        at_most: Quantity by material that one issue may take.
    """

    open_from: date | None = None
    locked: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    at_most: dict[str, Decimal] = field(default_factory=dict)

    def change(self, **rules: Any) -> None:
        """Set some of the rules, from JSON values.

        Raises:
            ValueError: A value of the wrong kind.
            TypeError: No such rule.
        """
        for name, value in rules.items():
            if name == "open_from":
                self.open_from = date.fromisoformat(value) if value else None
            elif name in ("locked", "unknown"):
                setattr(self, name, {str(each) for each in value})
            elif name == "at_most":
                self.at_most = {material: Decimal(str(most)) for material, most in value.items()}
            else:
                raise TypeError(f"unknown rule {name!r}")

    def check(self, body: Mapping[str, Any]) -> None:
        """Raise Refused for a document that a rule forbids."""
        self.check_date(body.get("PostingDate"))
        for entity in _with_parts(body):
            names = {entity.get("OrderID"), entity.get("ManufacturingOrder"), entity.get("Material")}
            if self.locked & names:
                raise Refused("M3/897", "Locked by another user")
            if self.unknown & names:
                raise Refused("CO/017", "Does not exist")
            self._check_stock(entity)

    def check_date(self, value: str | None) -> None:
        """Raise Refused for a posting date, as JSON value or literal, in a closed period."""
        if self.open_from is None or not value:
            return
        millis = _JSON_DATE.fullmatch(value)
        posted = datetime.fromtimestamp(int(millis[1]) / 1000, UTC) if millis else datetime.fromisoformat(value)
        if posted.date() < self.open_from:
            raise Refused("M7/053", f"Posting only possible from {self.open_from}")

    def _check_stock(self, entity: Mapping[str, Any]) -> None:
        most = self.at_most.get(str(entity.get("Material")))
        wanted = Decimal(str(entity.get("QuantityInEntryUnit") or 0))
        if most is not None and wanted > most and entity.get("GoodsMovementType") != "101":
            raise Refused("M7/021", f"Deficit of {wanted - most}")


def _with_parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield body
    for value in body.values():
        if isinstance(value, list):
            for part in value:
                yield from _with_parts(part)
