"""A Docker daemon of one's own, with a base made by debootstrap: for machines that can pull no image.

Needs root. It opens no port, makes no bridge and touches no firewall; data lies in the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.jars import ServersUnavailable, cache
from tests.servers.process import ServerProcess

_NEEDS = {"dockerd": "Docker", "docker": "Docker", "debootstrap": "debootstrap", "nsenter": "util-linux"}
_BASE = "millrace-base:debian"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Docker:
    """Context manager: the daemon runs, and `base` can be built on."""

    base = _BASE

    def __init__(self) -> None:
        missing = sorted({package for program, package in _NEEDS.items() if shutil.which(program) is None})
        if missing or os.geteuid() != 0:
            raise ServersUnavailable(f"Run as root, and install {', '.join(missing) or 'nothing more'}.")
        self._folder = cache() / "image"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run = Path(tempfile.mkdtemp(prefix="millrace-docker-"))
        self._host = f"unix://{self._run / 'sock'}"
        flags = ["--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false", "--bridge=none"]
        driver = "overlay2" if _overlays(self._folder) else "vfs"
        flags += [f"--storage-driver={driver}", f"--data-root={self._folder / driver}"]
        flags += [f"--exec-root={self._run / 'exec'}"]
        flags += [f"--pidfile={self._run / 'pid'}", "-H", self._host]
        self._daemon = ServerProcess(["dockerd", *flags], self._folder / "dockerd.log", self._answers)

    def __enter__(self) -> Self:
        self._daemon.start()
        if not self("images", "-q", _BASE):
            self("import", str(self._base_archive()), _BASE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._daemon.stop()
        shutil.rmtree(self._run, ignore_errors=True)

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """What `docker ...` prints.

        Raises:
            RuntimeError: It failed, and `check` is set.
        """
        done = self.run(arguments)
        if check and done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout.strip()

    def run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """The outcome of `docker ...`."""
        environment = {**os.environ, "DOCKER_HOST": self._host, "DOCKER_BUILDKIT": "0"}
        command = [_client(), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def _answers(self) -> bool:
        return self.run(["version"]).returncode == 0

    def _base_archive(self) -> Path:
        """Debian with Python and this machine's certificates, which a private package index may need."""
        archive, root = self._folder / "base.tar", self._folder / "rootfs"
        if not archive.exists():
            include = "--include=python3,python3-venv,ca-certificates"
            shutil.rmtree(root, ignore_errors=True)
            subprocess.run(["debootstrap", "--variant=minbase", include, "bookworm", str(root)], check=True)
            shutil.copy(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
            partial = archive.with_suffix(".partial")
            subprocess.run(["tar", "-C", str(root), "-cf", str(partial), "."], check=True)
            partial.rename(archive)
        return archive


def _overlays(folder: Path) -> bool:
    """Whether overlays can be mounted here; vfs copies the whole image for every line of the Dockerfile."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        parts = {name: Path(place) / name for name in ("lowerdir", "upperdir", "workdir", "merged")}
        for part in parts.values():
            part.mkdir()
        merged = str(parts.pop("merged"))
        options = ",".join(f"{name}={part}" for name, part in parts.items())
        done = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, merged], capture_output=True, check=False
        )
        if done.returncode == 0:
            subprocess.run(["umount", merged], check=True)
        return done.returncode == 0


def _client() -> str:
    """Debian's client, which is of the daemon's version."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
