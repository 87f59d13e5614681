"""`kubectl apply -k k8s/overlays/demo` shows the whole product: every pod's command is run, and the books agree."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.k8s.demo_pods import FLOWS, DemoPods
from tests.k8s.policy import containers, pod
from tests.k8s.render import overlay
from tests.k8s.test_manifests import named
from tools import k8s_demo


def test_settings_are_those_of_the_demo_on_one_machine() -> None:
    """Run `python -m tools.k8s_demo` after a change of `sandbox/demo_settings.py`."""
    for path, text in k8s_demo.files().items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_every_flow_has_somebody_who_feeds_it_and_an_erp_for_what_it_makes() -> None:
    settings = named(overlay("demo"), "ConfigMap", "poster")["data"]["post.yaml"]
    assert all(kind in settings for kind in ("ProductionConfirmation", "GoodsMovement", "ReplenishmentRequest"))
    for flow in FLOWS:
        first = pod(named(overlay("demo"), "StatefulSet", f"flow-{flow}"))["spec"]["initContainers"]  # type: ignore[index]
        assert [each["name"] for each in first] == ["reference-data"]


def test_pods_that_share_a_volume_stay_on_one_node() -> None:
    """Volumes are for one node; what mounts the ledger has the label and the affinity of all that do."""
    for manifest in overlay("demo"):
        volumes = (pod(manifest) or {"spec": {}})["spec"].get("volumes", [])
        if not any(each.get("persistentVolumeClaim", {}).get("claimName") == "ledger" for each in volumes):
            continue
        found = pod(manifest)
        assert found is not None
        terms = found["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert {"millrace/ledger": "file"} in [each["labelSelector"]["matchLabels"] for each in terms]
        assert found["metadata"]["labels"]["millrace/ledger"] == "file"


def test_every_image_is_ours_or_the_brokers() -> None:
    images = {each["image"] for manifest in overlay("demo") for each in containers(manifest)}
    assert images == {"millrace:0.1.0-demo", "apache/kafka:4.1.1"}


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_overlays_pods_book_the_plants_day_exactly(tmp_path: Path) -> None:
    """Pods start in an order that helps nobody, and a flow is killed; the Job ends with 0 where nothing differs."""
    with DemoPods(overlay("demo"), tmp_path) as pods:
        plant = pods.play(seconds=60, patience=150)
        pods.start_poster()
        pods.start_erp()
        pods.start_kafka()
        try:
            for flow in FLOWS:
                pods.start_flow(flow)
            time.sleep(25)
            pods.kill_flow("replenishment")
            said, _ = plant.communicate(timeout=500)
        finally:
            plant.kill()
        assert plant.returncode == 0, said[-6000:] + pods.log("poster")[-1500:]
        assert "no difference" in said
        sent = json.loads((tmp_path / "work" / "truth.json").read_text())["topics"]
        assert sent["goods-receipt"]["events"] > 0, "what was requisitioned in time is delivered"
