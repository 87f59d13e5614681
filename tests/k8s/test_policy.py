"""Manifests keep what a restricted cluster demands; each rule is shown to refuse what breaks it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.k8s.policy import breaches, pod, reached_by
from tests.k8s.render import OVERLAYS, Manifest, overlay

Breaking = Callable[[Manifest], object]


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_breaks_no_rule(name: str) -> None:
    assert breaches(overlay(name)) == []


def flow() -> Manifest:
    return copy.deepcopy(next(each for each in overlay("central") if each["kind"] == "StatefulSet"))


def spec(manifest: Manifest) -> Manifest:
    found = pod(manifest)
    assert found is not None
    inner: Manifest = found["spec"]
    return inner


def first(manifest: Manifest) -> Manifest:
    found: Manifest = spec(manifest)["containers"][0]
    return found


LOOSE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
BROKEN: dict[str, tuple[Breaking, str]] = {
    "privileged": (lambda m: first(m)["securityContext"].update(privileged=True), "can gain rights"),
    "root": (lambda m: spec(m)["securityContext"].update(runAsNonRoot=False), "runs as root"),
    "writable": (lambda m: first(m)["securityContext"].pop("readOnlyRootFilesystem"), "can write to its root"),
    "capability": (lambda m: first(m)["securityContext"].update(capabilities={"add": ["NET_ADMIN"]}), "capabilities"),
    "seccomp": (lambda m: spec(m)["securityContext"].pop("seccompProfile"), "seccomp"),
    "host": (lambda m: spec(m).update(hostNetwork=True), "namespace of the host"),
    "host path": (lambda m: spec(m)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "path of the host"),
    "API token": (lambda m: spec(m).pop("automountServiceAccountToken"), "token of the API"),
    "no limit": (lambda m: first(m)["resources"]["limits"].pop("memory"), "limits lack memory"),
    "latest": (lambda m: first(m).update(image="registry.example.com/millrace:latest"), "names no release"),
    "no tag": (lambda m: first(m).update(image="registry.example.com:5000/millrace"), "names no release"),
    "first container": (
        lambda m: spec(m).update(initContainers=[{**first(m), "name": "first", "securityContext": LOOSE}]),
        "first: can write",
    ),
    "secrets as variables": (lambda m: first(m)["envFrom"].append({"secretRef": {"name": "x"}}), "from a Secret"),
    "secret variable": (
        lambda m: first(m)["env"].append({"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        "X from a Secret",
    ),
    "password": (lambda m: first(m)["env"].append({"name": "DB_PASSWORD", "value": "x"}), "looks like a secret"),
    "URL": (lambda m: first(m)["env"].append({"name": "U", "value": "x://a:b@c"}), "password within a URL"),
    "unbounded": (lambda m: spec(m)["volumes"].append({"name": "x", "emptyDir": {}}), "may fill the node"),
    "unwatched": (lambda m: first(m).pop("livenessProbe"), "no livenessProbe"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_manifest_that_breaks_a_rule_is_refused(what: str) -> None:
    broken, (change, told) = flow(), BROKEN[what]
    change(broken)
    assert [told in breach for breach in breaches([broken])] == [True]


PARTS = {
    "flow": {"app.kubernetes.io/name": "millrace-confirmations", "app.kubernetes.io/component": "flow"},
    "poster": {"app.kubernetes.io/name": "millrace-poster", "app.kubernetes.io/component": "poster"},
    "history": {"app.kubernetes.io/name": "millrace-confirmations", "app.kubernetes.io/component": "history"},
    "archive": {"app.kubernetes.io/name": "millrace-archive", "app.kubernetes.io/component": "archive"},
}
WAYS_OUT = {
    "demo": {"flow": {53, 9092}, "poster": {53, 9092, 8080}, "history": {53, 9092}, "archive": {53}},
    "plant-edge": {"flow": {53, 9093}, "poster": {53, 9093, 443}, "history": {53, 9093}, "archive": {53}},
    "central": {
        "flow": {53, 9093, 5432, 8081, 443},
        "poster": {53, 9093, 5432, 443},
        "history": {53, 9093, 5432, 8081, 443},
        "archive": {53, 5432},
    },
}


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("part", PARTS)
def test_a_pod_reaches_what_it_needs_and_nothing_else(name: str, part: str) -> None:
    labels = {**PARTS[part], "app.kubernetes.io/part-of": "millrace"}
    rules = reached_by(overlay(name), labels, "egress")
    assert all(rule.get("to") for rule in rules), "to anybody"
    assert {port["port"] for rule in rules for port in rule["ports"]} == WAYS_OUT[name][part]


@pytest.mark.parametrize("name", OVERLAYS)
def test_all_that_is_not_allowed_is_denied_and_only_prometheus_comes_in(name: str) -> None:
    denied = next(each for each in overlay(name) if each["metadata"]["name"] == "deny-all")["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for labels in PARTS.values():
        rules = reached_by(overlay(name), {**labels, "app.kubernetes.io/part-of": "millrace"}, "ingress")
        asking = [peer["namespaceSelector"]["matchLabels"] for rule in rules for peer in rule["from"]]
        served = labels["app.kubernetes.io/component"] in ("flow", "poster")
        assert asking == [{"kubernetes.io/metadata.name": "monitoring"}] * served
