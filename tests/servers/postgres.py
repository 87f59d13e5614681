"""A real PostgreSQL in a folder of its own, under a user of its own where the tests run as root."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.jars import ServersUnavailable
from tests.servers.process import ServerFailed, ServerProcess, free_port

#: Where Debian keeps them, outside of PATH.
_DEBIAN = Path("/usr/lib/postgresql")
#: PostgreSQL refuses to run as root; the first of these that exists runs it then.
_USERS = ("postgres", "nobody")
_LOGIN = "millrace"
_BACKENDS = "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
_CRASHED = "pre-existing shared memory block"
_STARTS = 40


class Postgres:
    """Context manager: a server on a free port of 127.0.0.1 that keeps port and data over `kill` and `start`.

    It syncs to disk as a real one. Who may connect to the port may do everything, since it serves tests alone.

    Args:
        options: Settings of the server, each as `name=value`.

    Raises:
        ServersUnavailable: When PostgreSQL is not installed.
    """

    def __init__(self, options: Iterable[str] = ()) -> None:
        self._programs = programs()
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="millrace-postgres-"))
        self._data, self._log = self._folder / "data", self._folder / "postgres.log"
        self._as_user = _as_other_user(self._folder) if os.geteuid() == 0 else []
        settings = [f"port={self._port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *options]
        command = [str(self._programs / "postgres"), "-D", str(self._data)]
        command += [argument for setting in settings for argument in ("-c", setting)]
        self._server = ServerProcess([*self._as_user, *command], self._log, self._answers, ends_by=signal.SIGINT)

    @property
    def url(self) -> str:
        """SQLAlchemy's address of the first database, the same over the server's whole life."""
        return self.database("postgres")

    @property
    def port(self) -> int:
        """Port on 127.0.0.1, for a proxy in front of it."""
        return self._port

    @property
    def pid(self) -> int:
        """Process id of the postmaster that runs now."""
        return self._server.pid

    @property
    def alive(self) -> bool:
        """Whether the postmaster runs."""
        return self._server.alive

    def database(self, name: str, port: int | None = None) -> str:
        """Address of a database, through a proxy's port where one is named."""
        return f"postgresql+psycopg://{_LOGIN}@127.0.0.1:{port or self._port}/{name}"

    def create(self, name: str) -> str:
        """Create an empty database and return its address."""
        self.ask(f'create database "{name}"')
        return self.database(name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.remove()

    def remove(self) -> None:
        """Delete what a killed server has left."""
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Make the cluster where there is none, start, and wait until it takes connections.

        After a crash its orphans may hold the shared memory for a moment, and it refuses to start until they end.

        Raises:
            ServerFailed: It did not come up.
        """
        if not self._data.exists():
            self._run("initdb", "--no-sync", "-A", "trust", "-U", _LOGIN, "-E", "UTF8", "--locale=C", self._data)
        for _ in range(_STARTS):
            try:
                return self._server.start()
            except ServerFailed as failed:
                if _CRASHED not in str(failed):
                    raise
        raise ServerFailed(f"PostgreSQL's memory is still held by another process; see {self._log}")

    def stop(self) -> None:
        """Orderly end that cuts the connections ("fast shutdown")."""
        self._server.stop()

    def kill(self) -> None:
        """SIGKILL to the postmaster, after which its children end by themselves."""
        self._server.kill()

    def restart(self) -> None:
        """Orderly end, and start again on the same data and port."""
        self.stop()
        self.start()

    def kill_backend(self) -> bool:
        """SIGKILL to one client's backend: all connections are cut and the server recovers. False without clients."""
        for pid in self.ask(_BACKENDS).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
            return True
        return False

    def ask(self, sql: str) -> str:
        """Answer to one statement as bare text, for what a test wants to know behind the program's back.

        Raises:
            ServerFailed: The server refused it.
        """
        return self._run(
            "psql", "-XAtq", "-h", "127.0.0.1", "-p", self._port, "-U", _LOGIN, "-d", "postgres", "-c", sql
        )

    def _answers(self) -> bool:
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *arguments: object) -> str:
        command = [*self._as_user, str(self._programs / program), *(str(argument) for argument in arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self._folder)
        if done.returncode != 0:
            raise ServerFailed(f"{program} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


def programs() -> Path:
    """Folder of PostgreSQL's programs: that of `postgres` in PATH, else Debian's newest.

    Raises:
        ServersUnavailable: When there is none.
    """
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    folders = [folder for folder in _DEBIAN.glob("*/bin") if (folder / "postgres").exists()]
    if not folders:
        raise ServersUnavailable("Install PostgreSQL (Debian: postgresql) to run what needs a real database server.")
    return max(folders, key=_version)


def _version(folder: Path) -> int:
    number = re.match(r"\d+", folder.parent.name)
    return int(number.group()) if number else 0


def _as_other_user(folder: Path) -> Sequence[str]:
    """What runs a command as another user, who gets the folder; the kernel forgets the guard when users change."""
    account = next((_account(name) for name in _USERS if _account(name)), None)
    program = shutil.which("setpriv")
    if account is None or program is None:
        raise ServersUnavailable("PostgreSQL does not run as root: run the tests as another user, or install setpriv.")
    os.chown(folder, account.pw_uid, account.pw_gid)
    identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return [program, *identity, "--pdeathsig=KILL", "--"]


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
