"""Helm, as Go builds it once, on the chart of `k8s/helm`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.k8s.render import Manifest
from tests.servers.built import installed
from tools.helm_chart import HELM

CHART = HELM / "millrace"
#: A Helm that was built by Go alone takes itself for one of an old Kubernetes.
RELEASE = ("--kube-version", "1.32.0")
_HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The outcome of a command.

    Raises:
        ServersUnavailable: Go is missing.
    """
    command = [str(installed("helm", _HELM)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def template(*values: Path, given: Sequence[str] = (), chart: Path = CHART) -> subprocess.CompletedProcess[str]:
    """`helm template` into the namespace that the overlays use; `chart` is another folder in a control."""
    files = [word for file in values for word in ("--values", str(file))]
    return helm("template", "millrace", str(chart), "--namespace", "millrace", *RELEASE, *files, *given)


def manifests(text: str) -> list[Manifest]:
    """The manifests of an output."""
    return [each for each in yaml.safe_load_all(text) if each is not None]


def plain(manifest: Manifest) -> Any:
    """A manifest as it is compared: what both ways of making it write differently is left out.

    Helm rolls by an annotation, Kustomize by the name of a ConfigMap; settings are compared as what they say.
    """
    found = dict(manifest)
    found["metadata"] = {key: value for key, value in manifest["metadata"].items() if key != "namespace"}
    if manifest["kind"] == "ConfigMap":
        found["data"] = {
            key: yaml.safe_load(value) if key.endswith(".yaml") else value for key, value in manifest["data"].items()
        }
    if manifest["kind"] in ("StatefulSet", "Deployment"):
        template = manifest["spec"]["template"]
        metadata = {key: value for key, value in template["metadata"].items() if key != "annotations"}
        found["spec"] = {**manifest["spec"], "template": {**template, "metadata": metadata}}
    return _without_empty_lists(found)


def _without_empty_lists(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_empty_lists(value) for key, value in node.items() if value != [] or key == "podSelector"}
    return [_without_empty_lists(each) for each in node] if isinstance(node, list) else node
