"""A real API server of Kubernetes with its etcd: it checks and stores objects. Nothing runs pods."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.servers.jars import ServersUnavailable, cache
from tests.servers.process import ServerProcess, free_port

_BUILD = Path(__file__).parents[2] / "tools" / "apiserver" / "build.sh"
_PROGRAMS = cache() / "kube-1.36.3"


class ApiServer:
    """Context manager: both servers on free ports of 127.0.0.1, with data in a folder of their own.

    Args:
        folder: Empty folder.

    Raises:
        ServersUnavailable: Go, etcd or openssl is missing.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in ("go", "etcd", "openssl") if shutil.which(name) is None]
        if missing:
            raise ServersUnavailable(f"Install {', '.join(missing)} (Debian: etcd-server, openssl; Go from go.dev).")
        subprocess.run(["sh", str(_BUILD), str(_PROGRAMS)], check=True)
        self._folder, self._token = folder, secrets.token_hex(16)
        self._url = f"https://127.0.0.1:{free_port()}"
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self._etcd = ServerProcess(self._etcd_command(), folder / "etcd.log", lambda: self._up("etcd"))
        self._server = ServerProcess(self._server_command(), folder / "api-server.log", lambda: self._up("api"))

    def __enter__(self) -> Self:
        self._etcd.start()
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.kill()  # before etcd: it would wait for that for a minute
        self._etcd.kill()

    def kubectl(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """The outcome of a command; `given` is its standard input."""
        certificate = self._folder / "certificates" / "apiserver.crt"
        access = [f"--server={self._url}", f"--token={self._token}", f"--certificate-authority={certificate}"]
        command = [str(_PROGRAMS / "kubectl"), *access, *arguments]
        environment = {**os.environ, "KUBECONFIG": os.devnull, "HOME": str(self._folder)}
        return subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)

    def _up(self, which: str) -> bool:
        if which == "etcd":
            with suppress(httpx.TransportError):
                return httpx.get(f"{self._etcd_url}/health", trust_env=False, timeout=5).is_success
            return False
        return self.kubectl("get", "--raw=/readyz").returncode == 0

    def _etcd_command(self) -> Sequence[str]:
        peer = f"http://127.0.0.1:{free_port()}"
        names = [f"--data-dir={self._folder / 'etcd'}", f"--initial-cluster=default={peer}"]
        names += [f"--listen-client-urls={self._etcd_url}", f"--advertise-client-urls={self._etcd_url}"]
        return ["etcd", *names, f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]

    def _server_command(self) -> Sequence[str]:
        key, tokens = self._folder / "accounts.key", self._folder / "tokens.csv"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        tokens.write_text(f'{self._token},admin,admin,"system:masters"\n')
        address = [f"--etcd-servers={self._etcd_url}", f"--secure-port={self._url.rpartition(':')[2]}"]
        address += ["--bind-address=127.0.0.1", f"--cert-dir={self._folder / 'certificates'}"]
        accounts = [f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"]
        accounts += ["--service-account-issuer=https://kubernetes.default.svc", f"--token-auth-file={tokens}"]
        networks = ["--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC"]
        return [str(_PROGRAMS / "kube-apiserver"), *address, *accounts, *networks]
