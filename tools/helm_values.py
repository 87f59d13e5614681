"""What an overlay chooses, as values of the Helm chart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

_WAYS = ("to-kafka", "to-erp", "to-ledger", "to-registry", "to-object-store")
#: The chart sets this one by the number of posters.
_BY_REPLICAS = "MILLRACE_POST_REPLICAS"
Manifest = dict[str, Any]


def values(overlay: Path, render: Callable[[Path], str]) -> str:
    """The file of values that makes of the chart what the overlay makes of the base."""
    manifests = list(yaml.safe_load_all(render(overlay)))
    components = yaml.safe_load((overlay / "kustomization.yaml").read_text())["components"]
    poster = next(each for each in manifests if each["kind"] == "Deployment")["spec"]
    site = next(each for each in _named(manifests, "ConfigMap", "site-"))["data"]
    settings = next(each for each in _named(manifests, "ConfigMap", "poster-"))["data"]["post.yaml"]
    ledger = "postgres" if any("postgres-ledger" in part for part in components) else "sqlite"
    repository, _, tag = poster["template"]["spec"]["containers"][0]["image"].rpartition(":")
    chosen = {
        "image": {"repository": repository, "tag": tag},
        "site": {name: value for name, value in site.items() if name != _BY_REPLICAS},
        "ledger": {"kind": ledger},
        "flows": dict(_flows(manifests)),
        "poster": {
            "replicas": poster["replicas"],
            "config": yaml.safe_load(settings),
            "topologySpreadConstraints": poster["template"]["spec"].get("topologySpreadConstraints", []),
        },
        "egress": dict(_ways(manifests)),
    }
    head = f"# Made by `python -m tools.helm_chart` from overlays/{overlay.name}; a test compares what both render.\n"
    return head + yaml.safe_dump(chosen, sort_keys=False, width=118)


def _flows(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for found in _named(manifests, "StatefulSet", "flow-"):
        name = found["metadata"]["name"].removeprefix("flow-")
        claim, container = found["spec"]["volumeClaimTemplates"][0], found["spec"]["template"]["spec"]["containers"][0]
        arguments = container["args"]
        processes = int(arguments[arguments.index("--processes") + 1]) if "--processes" in arguments else 1
        yield name, {"storage": claim["spec"]["resources"]["requests"]["storage"], "processes": processes}


def _ways(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for way in _WAYS:
        for found in _named(manifests, "NetworkPolicy", way):
            rule = found["spec"]["egress"][0]
            yield way, {"to": rule["to"], "port": rule["ports"][0]["port"]}


def _named(manifests: list[Manifest], kind: str, name: str) -> Iterator[Manifest]:
    return (each for each in manifests if each["kind"] == kind and each["metadata"]["name"].startswith(name))
