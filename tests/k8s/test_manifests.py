"""Overlays keep the schema of Kubernetes, carry settings that Millrace takes, and roll when these change."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataflows.registry import FLOWS
from millrace.settings import load
from sinks.erp.settings import PosterSettings
from tests.k8s.policy import containers, pod
from tests.k8s.render import OVERLAYS, ROOT, Manifest, overlay, rendered

VERSIONS = ("1.30", "1.32", "1.36")
#: Kinds of the Prometheus operator, whose schemas are not Kubernetes' own.
FOREIGN = {"PodMonitor", "PrometheusRule"}
#: What the three flows make, and the connector that books it.
TAKEN_BY = {
    "ProductionConfirmation": "sap_confirmation",
    "GoodsMovement": "sap_goods_movement",
    "ReplenishmentRequest": "sap_requisition",
}


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of that kind whose name begins so."""
    found = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"].startswith(name)]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def validate(file: Path, version: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "kubernetes-validate"
    command = [str(program), "-k", version, "--strict", "--quiet", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_keeps_the_schema(name: str, version: str, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(each for each in overlay(name) if each["kind"] not in FOREIGN))
    done = validate(file, version)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_field_that_kubernetes_does_not_know_is_refused(tmp_path: Path) -> None:
    manifest = json.loads(json.dumps(named(overlay("central"), "StatefulSet", "flow-confirmations")))
    manifest["spec"]["replica"] = 2
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump(manifest))
    assert validate(file, VERSIONS[1]).returncode != 0


@pytest.mark.parametrize("name", OVERLAYS)
def test_names_are_given_once_and_what_pods_mount_exists(name: str) -> None:
    manifests = overlay(name)
    given = Counter((each["kind"], each["metadata"]["name"]) for each in manifests)
    assert max(given.values()) == 1
    claims = {f"state-{each['metadata']['name']}-0" for each in manifests if each["kind"] == "StatefulSet"}
    claims |= {each["metadata"]["name"] for each in manifests if each["kind"] == "PersistentVolumeClaim"}
    for manifest in manifests:
        for volume in (pod(manifest) or {"spec": {}})["spec"].get("volumes", []):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in given
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
        for container in containers(manifest):
            for source in container.get("envFrom", []):
                assert ("ConfigMap", source["configMapRef"]["name"]) in given


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("flow", FLOWS)
def test_millrace_takes_the_settings_of_a_flow(name: str, flow: str, tmp_path: Path) -> None:
    """As the container finds them: the file, then variables, of which one may name another."""
    manifests = overlay(name)
    container = pod(named(manifests, "StatefulSet", f"flow-{flow}"))["spec"]["containers"][0]  # type: ignore[index]
    config = tmp_path / "flow.yaml"
    config.write_text(named(manifests, "ConfigMap", f"flow-{flow}")["data"]["flow.yaml"])
    settings: Any = load(FLOWS[flow].settings, config, variables(manifests, container))
    assert container["args"][:2] == ["run", flow]
    assert str(settings.recovery) == "/var/lib/millrace/recovery"
    assert str(settings.history).endswith(f"/{flow}")
    assert (settings.ledger is not None, settings.publish) == (True, True)


@pytest.mark.parametrize("name", OVERLAYS)
def test_millrace_takes_the_settings_of_the_poster(name: str, tmp_path: Path) -> None:
    manifests = overlay(name)
    deployment = named(manifests, "Deployment", "poster")
    config = tmp_path / "post.yaml"
    config.write_text(named(manifests, "ConfigMap", "poster")["data"]["post.yaml"])
    given = variables(manifests, pod(deployment)["spec"]["containers"][0])  # type: ignore[index]
    settings = load(PosterSettings, config, given, prefix="MILLRACE_POST_")
    assert settings.replicas == deployment["spec"]["replicas"]
    assert settings.ledger == given["MILLRACE_LEDGER"], "flows and posters meet in one ledger"
    connectors = {system.name: system.connector for system in settings.systems}
    assert {kind: connectors[str(settings.route("0100", kind))] for kind in TAKEN_BY} == TAKEN_BY


def variables(manifests: list[Manifest], container: Manifest) -> dict[str, str]:
    found = dict(named(manifests, "ConfigMap", "site")["data"])
    for variable in container.get("env", []):
        value = variable["value"]
        for name, known in found.items():
            value = value.replace(f"$({name})", known)
        assert "$(" not in value
        found[variable["name"]] = value
    return found


def template(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    found: Manifest = named(manifests, kind, name)["spec"]["template"]
    return found


def test_a_changed_setting_rolls_the_pods_that_read_it_and_no_others(tmp_path: Path) -> None:
    copied = tmp_path / "k8s"
    shutil.copytree(ROOT, copied)
    settings = copied / "base" / "confirmations" / "flow.yaml"
    settings.write_text(settings.read_text() + "window: day\n")
    before, after = overlay("plant-edge"), list(yaml.safe_load_all(rendered(copied / "overlays" / "plant-edge")))
    rolled = {
        name: template(before, kind, name) != template(after, kind, name)
        for kind, name in (
            ("StatefulSet", "flow-confirmations"),
            ("StatefulSet", "flow-goods-movements"),
            ("StatefulSet", "flow-replenishment"),
            ("Deployment", "poster"),
        )
    }
    assert rolled == {
        "flow-confirmations": True,
        "flow-goods-movements": False,
        "flow-replenishment": False,
        "poster": False,
    }
    site = copied / "overlays" / "plant-edge" / "site.env"
    site.write_text(site.read_text() + "MILLRACE_DEFAULT_ZONE=Europe/Berlin\n")
    again = list(yaml.safe_load_all(rendered(copied / "overlays" / "plant-edge")))
    assert template(again, "Deployment", "poster") != template(before, "Deployment", "poster")


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_flow_has_one_pod_and_commands_on_its_own_volume(name: str) -> None:
    manifests = overlay(name)
    for flow in FLOWS:
        found = named(manifests, "StatefulSet", f"flow-{flow}")["spec"]
        assert found["replicas"] == 1, "two pods would share the state"
        assert found["serviceName"] == named(manifests, "Service", f"flow-{flow}")["metadata"]["name"]
        assert found["volumeClaimTemplates"][0]["metadata"]["name"] == "state"
        for job in ("compact", "verify"):
            command = pod(named(manifests, "CronJob", f"{job}-{flow}"))["spec"]  # type: ignore[index]
            claims = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in command["volumes"]]
            assert f"state-flow-{flow}-0" in claims


def test_memory_is_asked_for_as_it_was_measured() -> None:
    """The benchmark's peak with history fits what a flow is promised, that of 100,000 machines what it may take."""
    measured = json.loads((ROOT.parent / "bench" / "results" / "flow.json").read_text())["runs"]
    given = pod(named(overlay("plant-edge"), "StatefulSet", "flow-confirmations"))["spec"]["containers"][0]["resources"]  # type: ignore[index]
    assert mebibytes(given["requests"]["memory"]) >= measured["flow_with_history"]["peak_rss_mib"]
    assert mebibytes(given["limits"]["memory"]) >= measured["machines_100000"]["peak_rss_mib"]
    posting = json.loads((ROOT.parent / "bench" / "results" / "posting.json").read_text())["memory"]
    poster = pod(named(overlay("plant-edge"), "Deployment", "poster"))["spec"]["containers"][0]["resources"]  # type: ignore[index]
    assert posting["documents"] >= 50_000
    assert mebibytes(poster["requests"]["memory"]) >= posting["peak_rss_mib"]


def mebibytes(quantity: str) -> float:
    return float(quantity[:-2]) * {"Mi": 1, "Gi": 1024}[quantity[-2:]]


def test_a_cluster_without_the_operator_of_prometheus_can_run_the_demo() -> None:
    assert not FOREIGN & {each["kind"] for each in overlay("demo")}
    assert {each["kind"] for each in overlay("central")} >= FOREIGN
