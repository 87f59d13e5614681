"""What must hold of every manifest of ours: each rule yields one sentence per breach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Manifest = dict[str, Any]
Rule = Callable[[Manifest], Iterator[str]]
_SECRET_WORDS = ("password", "secret", "token", "passwd", "apikey", "api_key", "access_key")


def pod(manifest: Manifest) -> Manifest | None:
    """The pod that a workload starts, with its labels; None of anything else."""
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: Manifest | None = manifest if manifest["kind"] == "Pod" else spec.get("template")
    return found


def containers(manifest: Manifest) -> Iterator[Manifest]:
    """All containers of a workload, those that run first too."""
    found = pod(manifest)
    if found is not None:
        yield from found["spec"].get("initContainers", [])
        yield from found["spec"]["containers"]


def nobody_in_particular(manifest: Manifest) -> Iterator[str]:
    """Restricted pods: no root, no capability, no privilege, nothing of the host."""
    found = pod(manifest)
    if found is None:
        return
    context = found["spec"].get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("runAsUser", 0) < 10_000:
        yield "runs as root, or as a user of the host"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    if any(found["spec"].get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        yield "shares a namespace of the host"
    if any("hostPath" in volume for volume in found["spec"].get("volumes", [])):
        yield "mounts a path of the host"
    if found["spec"].get("automountServiceAccountToken") is not False:
        yield "is given a token of the API"


def locked_containers(manifest: Manifest) -> Iterator[str]:
    """Read-only root, no way to more rights."""
    for container in containers(manifest):
        context, name = container.get("securityContext", {}), container["name"]
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{name}: can write to its root"
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            yield f"{name}: can gain rights"
        if context.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name}: keeps capabilities"


def bounded(manifest: Manifest) -> Iterator[str]:
    """Requests and limits of everything, and volumes in memory or on the node with a limit."""
    for container in containers(manifest):
        given = container.get("resources", {})
        for part in ("requests", "limits"):
            missing = {"cpu", "memory", "ephemeral-storage"} - given.get(part, {}).keys()
            if missing:
                yield f"{container['name']}: {part} lack {', '.join(sorted(missing))}"
    for volume in (pod(manifest) or {"spec": {}})["spec"].get("volumes", []):
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            yield f"volume {volume['name']} may fill the node"


def known_image(manifest: Manifest) -> Iterator[str]:
    """A tag that says which release it is."""
    for container in containers(manifest):
        name, _, tag = container["image"].rpartition(":")
        if not name or tag == "latest" or "/" in tag:
            yield f"{container['name']}: image {container['image']} names no release"


def no_secret_in_variables(manifest: Manifest) -> Iterator[str]:
    """Secrets are files: neither variables nor ConfigMaps carry one; a variable may name a file."""
    for container in containers(manifest):
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield f"{container['name']}: variables from a Secret"
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield f"{container['name']}: {variable['name']} from a Secret"
            yield from _held(variable["name"], variable.get("value", ""))
    if manifest["kind"] == "ConfigMap":
        for name, value in manifest.get("data", {}).items():
            yield from _held(name, value)


def _held(name: str, value: str) -> Iterator[str]:
    secret = any(word in name.lower() for word in _SECRET_WORDS)
    if secret and not name.endswith("_FILE"):
        yield f"{name} looks like a secret"
    if "://" in value and "@" in value.partition("://")[2] and ":" in value.partition("://")[2].partition("@")[0]:
        yield f"{name} holds a password within a URL"


def watched(manifest: Manifest) -> Iterator[str]:
    """What runs for ever is probed."""
    if manifest["kind"] in ("StatefulSet", "Deployment"):
        for container in pod(manifest)["spec"]["containers"]:  # type: ignore[index]
            for probe in ("livenessProbe", "readinessProbe"):
                if probe not in container:
                    yield f"{container['name']}: no {probe}"


RULES: tuple[Rule, ...] = (
    nobody_in_particular,
    locked_containers,
    bounded,
    known_image,
    no_secret_in_variables,
    watched,
)


def breaches(manifests: Iterable[Manifest]) -> list[str]:
    """Every breach of every rule, with where it is."""
    return [
        f"{manifest['kind']} {manifest['metadata']['name']}: {what}"
        for manifest in manifests
        for rule in RULES
        for what in rule(manifest)
    ]


def reached_by(policies: Iterable[Manifest], labels: dict[str, str], way: str) -> list[Manifest]:
    """Rules (`egress` or `ingress`) of the network policies that select a pod with these labels."""
    return [
        rule
        for policy in policies
        if policy["kind"] == "NetworkPolicy" and _selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get(way, [])
    ]


def _selects(selector: Manifest, labels: dict[str, str]) -> bool:
    same = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    told = all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []))
    return same and told
