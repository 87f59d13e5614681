"""A Tryton server on a copy of the filled database, and a client to ask it what it holds."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.servers.process import ServerProcess, free_port
from tests.servers.tryton.environment import DATABASE, prepared, write_configuration

_FOR_EVER = {"__class__": "date", "year": 2999, "month": 12, "day": 31}


class TrytonRefused(RuntimeError):
    """The ERP answered a test's own request with an error."""


class Tryton:
    """Context manager: an ERP on a free port of 127.0.0.1 that keeps port and data over `kill` and `start`.

    Company, chart of accounts, products with bills of material, stock, an order point and two users are there
    (`seed.py`). A start takes about two seconds once the database is in the cache, a minute before that.

    Args:
        folder: Existing folder for database, configuration and `tryton.log`.

    Raises:
        ServersUnavailable: When its packages cannot be installed.
    """

    def __init__(self, folder: Path) -> None:
        ready = prepared()
        self._port = free_port()
        shutil.copy(ready.database, folder / f"{DATABASE}.sqlite")
        configuration = write_configuration(folder, self._port)
        self._facts = ready.facts
        self._client = httpx.Client(trust_env=False, timeout=60)
        command = [str(ready.programs / "trytond"), "-c", str(configuration)]
        # Without buffering, else the log of a killed server lacks its end.
        self._server = ServerProcess(command, folder / "tryton.log", self._answers, {"PYTHONUNBUFFERED": "1"})

    @property
    def base_url(self) -> str:
        """Address of the models, as the connectors take it."""
        return f"http://127.0.0.1:{self._port}/{DATABASE}/rest/model"

    @property
    def port(self) -> int:
        """Port on 127.0.0.1, for a proxy in front of it."""
        return self._port

    @property
    def pid(self) -> int:
        """Process id of the server that runs now."""
        return self._server.pid

    @property
    def key(self) -> str:
        """Application key of the user who may post."""
        return str(self._facts["keys"]["millrace"])

    @property
    def powerless_key(self) -> str:
        """Application key of a user who may do nothing."""
        return str(self._facts["keys"]["stranger"])

    @property
    def context(self) -> dict[str, int]:
        """Company and employee to work for."""
        return {"company": self._facts["company"], "employee": self._facts["employee"]}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._client.close()

    def start(self) -> None:
        """Start and wait until it answers."""
        self._server.start()

    def stop(self) -> None:
        """Orderly end."""
        self._server.stop()

    def kill(self) -> None:
        """SIGKILL; what it has answered is in its database."""
        self._server.kill()

    def restart(self) -> None:
        """Kill, and start again on the same data and port."""
        self.kill()
        self.start()

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

    def _answers(self) -> bool:
        try:
            return bool(self.read("company.company", [], ["id"]))
        except httpx.TransportError:
            return False


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
