"""Tryton's own virtual environment and a filled database, made once per version into the cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.servers.jars import ServersUnavailable, cache

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements.txt"
_SEED = _HERE / "seed.py"
DATABASE = "erp"
#: Their dependencies come along.
_MODULES = (
    "production_routing",
    "production_work",
    "purchase_requisition",
    "quality",
    "stock_lot",
    "stock_supply_production",
)
_CONFIGURATION = """\
[database]
uri = sqlite://
path = {folder}

[web]
listen = 127.0.0.1:{port}
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a server needs.

    Args:
        programs: Folder with `trytond`.
        database: Filled SQLite database, to be copied.
        facts: What the seed noted: company, employee, application keys by login.
    """

    programs: Path
    database: Path
    facts: dict[str, Any]


def prepared() -> Prepared:
    """Environment and database; about a minute at the first call, nothing afterwards.

    Several processes may ask at the same time: one builds, the others wait. A build that is cut short leaves
    nothing that is taken for finished.

    Raises:
        ServersUnavailable: The packages cannot be installed.
    """
    cache().mkdir(parents=True, exist_ok=True)
    environment = cache() / f"tryton-{_digest(_REQUIREMENTS)}"
    database = cache() / f"tryton-database-{_digest(_REQUIREMENTS, _SEED, Path(__file__))}"
    with (cache() / "tryton.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (environment / "installed").exists():
            _install(environment)
        if not database.is_dir():
            _build(environment / "bin", database)
    facts = json.loads((database / "facts.json").read_text())
    return Prepared(environment / "bin", database / f"{DATABASE}.sqlite", facts)


def write_configuration(folder: Path, port: int) -> Path:
    """`trytond.conf` for a database in the folder."""
    path = folder / "trytond.conf"
    path.write_text(_CONFIGURATION.format(folder=folder, port=port))
    return path


def _digest(*files: Path) -> str:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}".encode()
    return hashlib.sha256(version + b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _install(environment: Path) -> None:
    """In place, since programs of a virtual environment name its path."""
    shutil.rmtree(environment, ignore_errors=True)
    python = str(environment / "bin" / "python")
    if find_spec("ensurepip"):
        _run([sys.executable, "-m", "venv", str(environment)])
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    elif uv := shutil.which("uv"):
        _run([uv, "venv", "-q", "--python", sys.executable, str(environment)])
        install = [uv, "pip", "install", "-q", "--python", python]
    else:
        raise ServersUnavailable("Install python3-venv or uv to run what needs a real Tryton.")
    _run([*install, "-r", str(_REQUIREMENTS)])
    (environment / "installed").touch()


def _build(programs: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="tryton-build-") as name:
        folder = Path(name) / "database"
        folder.mkdir()
        database = folder / f"{DATABASE}.sqlite"
        database.touch()  # Tryton takes no name of a file that is not there
        configuration = str(write_configuration(folder, port=0))
        password = Path(name) / "password"
        password.write_text("admin")
        env = {"TRYTONPASSFILE": str(password)}
        create = ["-c", configuration, "-d", DATABASE, "--email", "admin@example.com", "--activate-dependencies"]
        _run([str(programs / "trytond-admin"), *create, "-u", *_MODULES], env)
        seed = [str(_SEED), configuration, f"sqlite:///{DATABASE}", str(folder / "facts.json")]
        _run([str(programs / "python"), *seed])
        _merge_log(database)
        folder.rename(target)


def _merge_log(database: Path) -> None:
    """A copy of the file alone has to be whole."""
    connection = sqlite3.connect(database)
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()


def _run(command: list[str], env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise ServersUnavailable(f"Tryton cannot be set up; {command[0]} said:\n{(done.stdout + done.stderr)[-2000:]}")
