"""Makes the templates of the Helm chart from the Kustomize base and its components.

`python -m tools.helm_chart` writes `k8s/helm/`, `--check` compares. Every manifest is rendered once per choice (where
the ledger is, how many processes), and the renderings become one template (`tools/helm_merge.py`). Written by hand is
only what has no counterpart there: `Chart.yaml`, `values.yaml`, its schema, `_helpers.tpl`, `config.yaml`, the notes.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from tools.generated import write_or_check
from tools.helm_merge import Conditions, Group, Merge, Raw, Variant
from tools.helm_values import values

K8S = Path(__file__).parents[1] / "k8s"
HELM = K8S / "helm"
#: Overlays whose settings become files of values; the demo's is no installation.
PLACES = ("plant-edge", "central")
#: The flow whose manifests become the template of all.
_PATTERN = "confirmations"
_OTHERS = ("-goods-movements", "-replenishment")
_HASHED = re.compile(r"^(flow-[a-z-]+|poster|site)-[0-9a-z]{10}$")
_HEAD = "{{- /* Made by `python -m tools.helm_chart` from the Kustomize base; a test compares. */}}"
_LEDGER = {("ledger", kind): f'eq $.Values.ledger.kind "{kind}"' for kind in ("sqlite", "postgres")}
_PROCESSES = {("processes", "1"): "not {}", ("processes", "2"): "{}"}
_TWO, _ANY_TWO = "(gt (int $flow.processes) 1)", '(include "millrace.two" $)'
#: File of the chart -> kinds and names that stand in it.
_FILES = {
    "common.yaml": ("ServiceAccount ", "PodDisruptionBudget ", "PersistentVolumeClaim ", "PodMonitor "),
    "network.yaml": ("NetworkPolicy ",),
    "poster.yaml": ("Deployment ",),
    "archive.yaml": ("CronJob ledger-archive",),
    "flow.yaml": ("Service ", "StatefulSet "),
    "compact.yaml": ("CronJob compact",),
    "verify.yaml": ("CronJob verify",),
    "replay.yaml": ("CronJob replay",),
}
_PER_FLOW = ("flow.yaml", "compact.yaml", "verify.yaml", "replay.yaml")
#: Manifests that only some installations have.
_ONLY = {
    f"CronJob replay-{_PATTERN}": "$flow.replay",
    "PodMonitor millrace": "$.Values.monitoring.podMonitor",
    "NetworkPolicy to-registry": 'index $.Values.egress "to-registry"',
    "NetworkPolicy to-object-store": 'index $.Values.egress "to-object-store"',
}
Manifest = dict[str, Any]
Render = Callable[[Path], str]


def kubectl(folder: Path) -> str:
    """What Kustomize makes of a folder."""
    return subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True).stdout


def files(render: Render = kubectl) -> dict[Path, str]:
    """Content of every file that is made."""
    groups: dict[str, dict[Variant, Manifest | None]] = {}
    variants = [(ledger, processes) for (_, ledger), (_, processes) in product(_LEDGER, _PROCESSES)]
    renderings = {(("ledger", a), ("processes", b)): list(_rendered(a, b, render)) for a, b in variants}
    for variant, manifests in renderings.items():
        for manifest in manifests:
            name = f"{manifest['kind']} {manifest['metadata']['name']}"
            groups.setdefault(name, dict.fromkeys(renderings))[variant] = manifest
    folder = HELM / "millrace" / "templates"
    made = {folder / file: _template(_chosen(groups, begins), file) for file, begins in _FILES.items()}
    return made | {HELM / f"{place}.yaml": values(K8S / "overlays" / place, render) for place in PLACES}


def _rendered(ledger: str, processes: str, render: Render) -> Iterator[Manifest]:
    """Base and components, with templates where an installation chooses."""
    parts = [f"{ledger}-ledger", *(["two-processes"] if processes == "2" else [])]
    kustomization = {
        "resources": ["../base", "network.yaml"],
        "components": [f"../components/{part}" for part in parts],
        "configMapGenerator": [{"name": name, "literals": ["any=any"]} for name in ("site", "poster")],
        "images": [{"name": "millrace", "newName": '{{ include "millrace.image" $ }}'}],
    }
    with tempfile.TemporaryDirectory() as copied:  # Kustomize wants relative paths within one tree
        for part_of in ("base", "components", "monitoring"):
            shutil.copytree(K8S / part_of, Path(copied) / part_of)
        folder = Path(copied) / "chart"
        folder.mkdir()
        shutil.copy(K8S / "overlays" / "central" / "network.yaml", folder)
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        manifests = yaml.safe_load_all(render(folder))
        for manifest in manifests:
            helms_own = manifest["kind"] in ("Namespace", "ConfigMap", "PrometheusRule")
            if not helms_own and not manifest["metadata"]["name"].endswith(_OTHERS):
                yield _open(unhashed(manifest))


def unhashed(node: Any) -> Any:
    """Kustomize puts a hash behind names of ConfigMaps; in the chart an annotation of the pod has it."""
    if isinstance(node, dict):
        return {key: unhashed(value) for key, value in node.items()}
    if isinstance(node, list):
        return [unhashed(value) for value in node]
    found = _HASHED.match(node) if isinstance(node, str) else None
    return found.group(1) if found else node


def _open(manifest: Manifest) -> Manifest:
    """Put templates where an installation chooses."""
    manifest["metadata"]["namespace"] = Raw("{{ $.Release.Namespace }}")
    spec, name = manifest.get("spec", {}), manifest["metadata"]["name"]
    match manifest["kind"]:
        case "StatefulSet":
            _storage(spec["volumeClaimTemplates"][0], "$flow.storage")
            _pod(spec, "$flow")
        case "Deployment":
            spec["replicas"] = Raw("{{ $.Values.poster.replicas }}")
            _pod(spec, "$.Values.poster")
            spec["template"]["spec"]["topologySpreadConstraints"] = _or("$.Values.poster.topologySpreadConstraints", [])
        case "PersistentVolumeClaim":
            _storage(manifest, "$.Values.ledger.storage")
        case "NetworkPolicy" if name.startswith("to-") and name != "to-dns":
            way, rule = f'(index $.Values.egress "{name}")', spec["egress"][0]
            rule["to"] = _or(f"({way} | default dict).to", rule["to"])
            port = rule["ports"][0]["port"]
            rule["ports"][0]["port"] = Raw(f"{{{{ ({way} | default dict).port | default {port} }}}}")
    return manifest


def _or(chosen: str, default: Sequence[Any] | Mapping[str, Any]) -> Raw:
    """What the values give, else what the base has."""
    read = "fromJsonArray" if isinstance(default, list) else "fromJson"
    return Raw(f"{{{{- toYaml ({chosen} | default ({read} `{json.dumps(default)}`)) | nindent INDENT }}}}", block=True)


def _storage(claim: Manifest, chosen: str) -> None:
    requests = claim["spec"]["resources"]["requests"]
    requests["storage"] = Raw(f'{{{{ {chosen} | default "{requests["storage"]}" }}}}')


def _pod(spec: Manifest, chosen: str) -> None:
    """A changed setting makes another pod; the measured resources may be replaced."""
    digest = f"{{{{ list {chosen}.config $.Values.site | toJson | sha256sum }}}}"
    spec["template"]["metadata"]["annotations"] = {"checksum/settings": Raw(digest)}
    container = spec["template"]["spec"]["containers"][0]
    container["resources"] = _or(f"{chosen}.resources", container["resources"])


def _chosen(groups: Mapping[str, Group], begins: tuple[str, ...]) -> dict[str, Group]:
    return {name: group for name, group in groups.items() if name.startswith(begins)}


def _template(groups: Mapping[str, Group], file: str) -> str:
    """A file of the chart; those of flows are gone through once per flow."""
    per_flow = file in _PER_FLOW
    two = _TWO if per_flow else _ANY_TWO
    conditions: Conditions = {**_LEDGER, **{key: text.format(two) for key, text in _PROCESSES.items()}}
    merge = Merge(conditions, _of_any_flow if per_flow else _of_any_release)
    lines = [_HEAD]
    for name, group in groups.items():
        made = merge.document(group)
        lines += [f"{{{{- if {_ONLY[name]} }}}}", *made, "{{- end }}"] if name in _ONLY else made
    if per_flow:
        lines[1:] = ["{{- range $name, $flow := $.Values.flows }}", *lines[1:], "{{- end }}"]
    return "\n".join(lines) + "\n"


def _of_any_release(scalar: str) -> str:
    if "{{" in scalar:  # the image, quoted by the YAML writer
        return scalar.strip("'")
    return "{{ $.Values.secretName }}" if scalar == "millrace-secrets" else scalar


def _of_any_flow(scalar: str) -> str:
    return _of_any_release(scalar.replace(_PATTERN, "{{ $name }}") if "{{" not in scalar else scalar)


def main(arguments: Sequence[str]) -> int:
    """Write the chart, or with `--check` compare; 1 where a file is stale."""
    return write_or_check("tools.helm_chart", files(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
