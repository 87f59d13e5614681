"""A virtual environment of a reader's own (Spark, a DuckDB with extensions), made once per version into the cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.servers.jars import ServersUnavailable, cache

_REQUIREMENTS = Path(__file__).parent / "requirements.txt"


def prepared(requirements: Path = _REQUIREMENTS, name: str = "spark") -> Path:
    """The environment; minutes at the first call, nothing afterwards.

    Args:
        requirements: What is installed.
        name: Of its folder.

    Raises:
        ServersUnavailable: There is neither venv nor uv, or the packages cannot be installed.
    """
    cache().mkdir(parents=True, exist_ok=True)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}".encode()
    environment = cache() / f"{name}-{hashlib.sha256(version + requirements.read_bytes()).hexdigest()[:12]}"
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (environment / "installed").exists():
            _install(environment, requirements)
    return environment


def _install(environment: Path, requirements: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    python = str(environment / "bin" / "python")
    if find_spec("ensurepip"):
        _run([sys.executable, "-m", "venv", str(environment)])
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    elif uv := shutil.which("uv"):
        _run([uv, "venv", "-q", "--python", sys.executable, str(environment)])
        install = [uv, "pip", "install", "-q", "--python", python]
    else:
        raise ServersUnavailable("Install python3-venv or uv to run what needs an environment of its own.")
    _run([*install, "-r", str(requirements)])
    (environment / "installed").touch()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServersUnavailable(f"{' '.join(command)}: {done.stderr[-2000:]}")
