"""The overlays of `k8s/` as a cluster would be given them."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache as once
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from tests.servers.built import installed
from tests.servers.jars import ServersUnavailable

ROOT = Path(__file__).parents[2] / "k8s"
OVERLAYS = sorted(path.name for path in (ROOT / "overlays").iterdir())
_KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
Manifest = dict[str, Any]


@once
def command() -> tuple[str, ...]:
    """The renderer: kubectl, kustomize, or one that Go builds once."""
    for program, argument in (("kubectl", "kustomize"), ("kustomize", "build")):
        if shutil.which(program):
            return program, argument
    try:
        return str(installed("kustomize", _KUSTOMIZE)), "build"
    except ServersUnavailable as missing:
        _unavailable(f"{missing} Or install kubectl.")


def rendered(folder: Path) -> str:
    """What `kubectl apply -k FOLDER` would send."""
    done = subprocess.run([*command(), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@once
def overlay(name: str) -> list[Manifest]:
    """Manifests of an overlay; not to be changed."""
    return list(yaml.safe_load_all(rendered(ROOT / "overlays" / name)))


def _unavailable(sentence: str) -> NoReturn:
    """CI must never pass by skipping."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
