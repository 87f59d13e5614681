"""A Tryton server on a copy of the filled database."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.servers.process import ServerProcess, free_port
from tests.servers.tryton.client import TrytonClient, TrytonRefused
from tests.servers.tryton.environment import DATABASE, prepared, write_configuration


class Tryton(TrytonClient):
    """Context manager: an ERP on a free port of 127.0.0.1 that keeps port and data over `kill` and `start`.

    Company, chart of accounts, products with bills of material, stock, an order point, a supplier and three users are
    there (`seed.py`). It is asked as the user who may post. A start takes about two seconds once the database is in
    the cache, a minute before that.

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
        self._facts = facts = ready.facts
        context = {"company": facts["company"], "employee": facts["employee"]}
        super().__init__(f"http://127.0.0.1:{self._port}/{DATABASE}/rest/model", facts["keys"]["millrace"], context)
        command = [str(ready.programs / "trytond"), "-c", str(configuration)]
        # Without buffering, else the log of a killed server lacks its end.
        self._server = ServerProcess(command, folder / "tryton.log", self._answers, {"PYTHONUNBUFFERED": "1"})

    @property
    def port(self) -> int:
        """Port on 127.0.0.1, for a proxy in front of it."""
        return self._port

    @property
    def pid(self) -> int:
        """Process id of the server that runs now."""
        return self._server.pid

    @property
    def powerless_key(self) -> str:
        """Application key of a user who may do nothing."""
        return str(self._facts["keys"]["stranger"])

    @property
    def buyer_key(self) -> str:
        """Application key of the user who buys."""
        return str(self._facts["keys"]["buyer"])

    @property
    def buyer_password(self) -> str:
        """Password of the user `buyer`, for a session as Tryton's own client has it."""
        return str(self._facts["password"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.close()

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

    def _answers(self) -> bool:
        try:
            return bool(self.read("company.company", [], ["id"]))
        except (httpx.TransportError, TrytonRefused):
            return False  # right after a kill it may answer HTTP 500 at first
