"""A client that asks a Tryton server what it holds, and does what a person could do."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

_FOR_EVER = {"__class__": "date", "year": 2999, "month": 12, "day": 31}


class TrytonRefused(RuntimeError):
    """The ERP answered a test's own request with an error."""


class TrytonClient:
    """One user of one company over the REST interface.

    Args:
        base_url: Address of the models, as the connectors take it.
        key: Application key of the user.
        context: Company and employee to work for.
    """

    def __init__(self, base_url: str, key: str, context: Mapping[str, int]) -> None:
        self.base_url = base_url
        self.key = key
        self.context = context
        self._client = httpx.Client(trust_env=False, timeout=60)

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def read(
        self, model: str, domain: Sequence[Any] = (), fields: Sequence[str] = (), **context: Any
    ) -> list[dict[str, Any]]:
        """Records of a model; numbers come as Decimal.

        Args:
            model: For instance `production`.
            domain: Tryton's search clauses, for instance `[["state", "=", "done"]]`.
            fields: Names, dotted where they reach into another record.
            context: What the ERP should take into account besides company and employee.

        Raises:
            TrytonRefused: The ERP did not answer with records.
        """
        query = [("d", _base64(list(domain))), *(("f", field) for field in fields)]
        found: list[dict[str, Any]] = self._ask("GET", model, params=query, **context)
        return found

    def create(self, model: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """A new record; TrytonRefused where the ERP does not take it."""
        made: dict[str, Any] = self._ask("POST", model, json=dict(values))
        return made

    def write(self, model: str, record: int, values: Mapping[str, Any]) -> None:
        """Change a record; TrytonRefused where the ERP does not take it."""
        self._ask("PUT", f"{model}/{record}", json=dict(values))

    def press(self, model: str, record: int, button: str) -> dict[str, Any]:
        """What a person does with a button of the record; TrytonRefused where the ERP does not let them."""
        after: dict[str, Any] = self._ask("POST", f"{model}/{record}/{button}", json={})
        return after

    def stock(self, product: str, location: str) -> Decimal:
        """What the ERP says is there of a product, by codes, in the product's own unit."""
        return self.stocks(location)[product]

    def stocks(self, location: str) -> dict[str, Decimal]:
        """What the ERP says is at a location, of every product by its code."""
        [place] = self.read("stock.location", [["code", "=", location]])
        context = {"locations": [place["id"]], "stock_date_end": _FOR_EVER, "with_childs": False}
        found = self.read("product.product", [], ["code", "quantity"], **context)
        return {product["code"]: Decimal(product["quantity"]) for product in found}

    def _ask(self, method: str, path: str, *, params: Any = None, json: Any = None, **context: Any) -> Any:
        headers = {
            "Authorization": f"Bearer {self.key}",
            "X-Tryton-Context": _base64({**self.context, **context}),
        }
        answer = self._client.request(method, f"{self.base_url}/{path}", params=params, json=json, headers=headers)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise TrytonRefused(f"{method} {path}: HTTP {answer.status_code} {answer.text[:1000]}")
        return _parsed(answer.text)


def _base64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, object_hook=_typed) if text else None


def _typed(value: dict[str, Any]) -> Any:
    """Tryton's way to write what JSON has no type for."""
    kind = value.get("__class__")
    if kind == "Decimal":
        return Decimal(value["decimal"])
    if kind == "date":
        return date(value["year"], value["month"], value["day"])
    return value
