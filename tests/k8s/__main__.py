"""`python -m tests.k8s`: every overlay on a real API server, dry and for real, with what it has to refuse."""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.k8s.api_server import ApiServer
from tests.k8s.policy import pod
from tests.k8s.render import OVERLAYS, Manifest, overlay

APPLY = ("apply", "--server-side", "--field-manager=check", "--validate=strict", "-f", "-")


class Failed(Exception):
    """The API server did otherwise than it should have."""


def main() -> None:
    """Apply all overlays; exit code 1 with the server's words at the first that fails."""
    for name in OVERLAYS:  # a cluster each: two of them use the same namespace
        with tempfile.TemporaryDirectory() as folder, ApiServer(Path(folder)) as server:
            if name == OVERLAYS[0]:
                say(server.kubectl("version").stdout.strip())
            _must(server, *APPLY, given=yaml.safe_dump_all(_operator_kinds()))
            check(server, name)


def say(line: str) -> None:
    """Tell how far it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def check(server: ApiServer, name: str) -> None:
    """One overlay: dry, for real, once more without a change, its pods, and what must not come in."""
    manifests = overlay(name)
    namespace = next(each["metadata"]["name"] for each in manifests if each["kind"] == "Namespace")
    everything = yaml.safe_dump_all(manifests)
    _must(server, *APPLY, given=yaml.safe_dump(next(each for each in manifests if each["kind"] == "Namespace")))
    dry = _must(server, *APPLY, "--dry-run=server", given=everything)
    _must(server, *APPLY, given=everything)
    before = _versions(server, namespace)
    _must(server, *APPLY, given=everything)
    if _versions(server, namespace) != before:
        raise Failed(f"{name}: a second apply changed something")
    pods = list(_pods(manifests))
    for each in pods:
        _must(server, "create", "--dry-run=server", "-n", namespace, "-f", "-", given=json.dumps(each))
    _refused(server, namespace, manifests, pods[0])
    counts = f"{len(dry.splitlines())} objects applied dry, for real, and again unchanged"
    say(f"{name}: {counts}; {len(pods)} pods admitted")


def _refused(server: ApiServer, namespace: str, manifests: list[Manifest], good: Manifest) -> None:
    """A pod that could gain rights, and a field that does not exist."""
    bad = copy.deepcopy(good)
    bad["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    done = server.kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-", given=json.dumps(bad))
    if done.returncode == 0 or "violates PodSecurity" not in done.stderr:
        raise Failed(f"a pod that could gain rights was admitted: {done.stdout}{done.stderr}")
    wrong = copy.deepcopy(next(each for each in manifests if each["kind"] == "StatefulSet"))
    wrong["spec"]["template"]["spec"]["containers"][0]["comand"] = ["sh"]
    done = server.kubectl(*APPLY, "--dry-run=server", given=yaml.safe_dump(wrong))
    if done.returncode == 0:
        raise Failed("an unknown field was accepted")


def _must(server: ApiServer, *arguments: str, given: str = "") -> str:
    done = server.kubectl(*arguments, given=given)
    if done.returncode != 0 or "Warning" in done.stderr:
        raise Failed(f"kubectl {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _versions(server: ApiServer, namespace: str) -> dict[str, str]:
    kinds = "statefulsets,deployments,cronjobs,services,configmaps,networkpolicies,poddisruptionbudgets"
    found = json.loads(_must(server, "get", kinds, "-n", namespace, "-o", "json"))["items"]
    return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in found}


def _pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """A pod of every workload, as its controller would make it."""
    for manifest in manifests:
        template = pod(manifest)
        if template is not None:
            made = copy.deepcopy(template)
            claimed = manifest["spec"].get("volumeClaimTemplates", [])
            made["spec"].setdefault("volumes", []).extend(
                {"name": each["metadata"]["name"], "persistentVolumeClaim": {"claimName": "any"}} for each in claimed
            )
            metadata = {**made.get("metadata", {}), "name": f"{manifest['metadata']['name']}-check"}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": made["spec"]}


def _operator_kinds() -> Iterator[Manifest]:
    """Kinds of the Prometheus operator, of any content."""
    for kind in ("PodMonitor", "PrometheusRule"):
        plural = f"{kind.lower()}s"
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        yield {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.monitoring.coreos.com"},
            "spec": {
                "group": "monitoring.coreos.com",
                "names": {"kind": kind, "plural": plural},
                "scope": "Namespaced",
                "versions": [version],
            },
        }


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
