"""A real OData V2 server (Node) over a folder of metadata; its packages come from npm, once per lock file.

It stores whatever it gets, so put `tests.servers.odata_gate` in front of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.jars import ServersUnavailable, cache
from tests.servers.process import ServerProcess, free_port

SOURCE = Path(__file__).parent / "odata_mock"
_NODE = 18


def node() -> str:
    """Path of a Node that can run the server.

    Raises:
        ServersUnavailable: When there is none.
    """
    found = shutil.which("node")
    text = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout if found else ""
    version = re.match(r"v(\d+)", text)
    if found is None or version is None or int(version[1]) < _NODE:
        raise ServersUnavailable(f"Install Node {_NODE} or newer and npm to run what needs a real OData server.")
    return found


def packages() -> Path:
    """Folder with the npm packages that the lock file names; installed at the first call.

    Several processes may ask at the same time: one installs, the others wait. An installation that is cut short leaves
    nothing.

    Raises:
        ServersUnavailable: When npm is missing or cannot get them.
    """
    lock_file = SOURCE / "package-lock.json"
    target = cache() / f"odata-{hashlib.sha256(lock_file.read_bytes()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "odata.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _install(target)
    return target


def _install(target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ServersUnavailable("Install npm to get the packages of the real OData server.")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, folder)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServersUnavailable(f"npm could not get the packages of the OData server:\n{done.stderr[-2000:]}")
        (Path(folder) / "node_modules").rename(target)


def sap_metadata() -> Path | None:
    """Folder with SAP's own metadata (`<service>.edmx`), which is not ours to hand on; None where there is none."""
    named = os.environ.get("MILLRACE_SAP_METADATA")
    beside = Path(__file__).parents[2].parent / "shared" / "contracts"
    folder = Path(named) if named else beside
    return folder if any(folder.glob("API_*.edmx")) else None


class ODataServer:
    """Context manager: every service of a folder on a free port of 127.0.0.1; killing it forgets everything.

    Args:
        metadata: Folder with `<service>.edmx` files.
        folder: Existing folder for `odata.log`.

    Raises:
        ServersUnavailable: When Node or npm is missing.
    """

    def __init__(self, metadata: Path, folder: Path) -> None:
        self._port = free_port()
        handlers = str(SOURCE / "mockdata")
        command = [node(), str(SOURCE / "server.js"), str(self._port), str(metadata), handlers]
        env = {"NODE_PATH": str(packages())}
        self._server = ServerProcess(command, folder / "odata.log", self._answers, env)

    @property
    def url(self) -> str:
        """Root of the services."""
        return f"http://127.0.0.1:{self._port}/sap/opu/odata/sap"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.kill()

    def _answers(self) -> bool:
        socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        return True
