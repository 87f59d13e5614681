"""Servers that Go or npm builds once, kept in the cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from tests.servers.jars import ServersUnavailable, cache

_SCRIPTS = {"azurite": "node_modules/azurite/dist/src/blob/main.js"}


def installed(name: str, source: str, by: Literal["go", "npm"] = "go") -> Path:
    """A program in the cache; built at the first call, by one of several processes that ask.

    Raises:
        ServersUnavailable: The tool that builds it is missing, or failed.
    """
    folder = cache() / f"built-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / _SCRIPTS.get(name, name)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _build(folder, source, by)
    return target


def _build(folder: Path, source: str, by: str) -> None:
    tool = shutil.which(by)
    if tool is None:
        raise ServersUnavailable(f"Install {by} to build {source}.")
    arguments = {"go": ["install", source], "npm": ["install", "--no-audit", "--no-fund", source]}[by]
    nice = ["nice", "-n", "10"]
    env = {**os.environ, "GOBIN": str(folder)}
    done = subprocess.run([*nice, tool, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServersUnavailable(f"{by} could not build {source}:\n{done.stderr[-2000:]}")
