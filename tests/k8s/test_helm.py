"""The Helm chart: made from the Kustomize base, and the same as its overlays where it is given their values."""

from __future__ import annotations

import copy
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.k8s.helm import CHART, RELEASE, helm, manifests, plain, template
from tests.k8s.policy import breaches
from tests.k8s.render import Manifest, overlay, rendered
from tools import helm_chart
from tools.helm_chart import HELM, PLACES, unhashed
from tools.helm_merge import Merge, Raw, Variant

needs_helm = pytest.mark.slow  # Go builds it once, minutes; `make helm-check`


def test_the_chart_is_as_the_base_makes_it() -> None:
    """Run `python -m tools.helm_chart` after a change of the base."""
    for path, text in helm_chart.files(rendered).items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_the_chart_stays_small() -> None:
    for path in (*(CHART / "templates").iterdir(), *HELM.glob("*.yaml"), CHART / "values.yaml"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 300, path.name


def test_the_chart_has_the_projects_version() -> None:
    project = tomllib.loads((HELM.parents[1] / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (project["version"], project["version"])


ONE: Variant = (("size", "one"),)
TWO: Variant = (("size", "two"),)
BY_SIZE = Merge({("size", "one"): "one", ("size", "two"): "two"})


def test_what_renderings_share_is_said_once_and_what_differs_stands_between_conditions() -> None:
    base = {"kind": "Pod", "args": ["run"], "ports": [{"name": "a", "port": 1}], "probe": {"every": 10}}
    more = {**base, "args": ["run", "fast"], "ports": [*base["ports"], {"name": "b", "port": 2}], "extra": "x"}
    more["probe"] = {"every": 30}
    assert "\n".join(BY_SIZE.document({ONE: base, TWO: more})) == (
        "---\nkind: Pod\nargs:\n  - run\n{{- if two }}\n  - fast\n{{- end }}\nports:\n  - name: a\n    port: 1\n"
        "{{- if two }}\n  - name: b\n    port: 2\n{{- end }}\nprobe:\n{{- if one }}\n  every: 10\n{{- end }}\n"
        "{{- if two }}\n  every: 30\nextra: x\n{{- end }}"
    )


def test_items_that_only_a_part_tells_apart_are_all_kept() -> None:
    ports = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "TCP"}]
    made = BY_SIZE.document({ONE: {"ports": ports}, TWO: {"ports": ports[:2]}})
    assert [line.strip() for line in made if "protocol" in line] == ["protocol: UDP", "protocol: TCP", "protocol: TCP"]
    assert made[-4:] == ["{{- if one }}", "  - port: 53", "    protocol: TCP", "{{- end }}"]


def test_what_no_condition_tells_apart_is_refused() -> None:
    three: dict[Variant, Manifest] = {ONE: {"a": 1}, TWO: {"a": 1}, (("size", "three"),): {"a": 2}}
    with pytest.raises(ValueError, match="no condition tells"):
        Merge({("size", "one"): "one"}).document(three)
    assert Merge({}).document({ONE: {"a": Raw("{{ x }}")}}) == ["---", "a: {{ x }}"]


@needs_helm
@pytest.mark.parametrize("place", PLACES)
def test_the_chart_with_an_overlays_values_is_the_overlay(place: str) -> None:
    done = template(HELM / f"{place}.yaml")
    assert done.returncode == 0, done.stderr
    chart = by_name(manifests(done.stdout))
    kustomize = by_name(each for each in map(unhashed, copy.deepcopy(overlay(place))) if each["kind"] != "Namespace")
    assert chart.keys() == kustomize.keys()
    for name, manifest in kustomize.items():
        assert plain(chart[name]) == plain(manifest), name


@needs_helm
@pytest.mark.parametrize("place", PLACES)
def test_the_chart_breaks_no_rule(place: str) -> None:
    done = helm("lint", "--strict", str(CHART), *RELEASE, "--values", str(HELM / f"{place}.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    made = manifests(template(HELM / f"{place}.yaml").stdout)
    assert len(made) > 30
    assert breaches(made) == []


def pods(text: str) -> dict[str, Manifest]:
    return {
        f"{each['kind']} {each['metadata']['name']}": each["spec"]["template"]
        for each in manifests(text)
        if each["kind"] in ("StatefulSet", "Deployment")
    }


@needs_helm
def test_a_changed_setting_rolls_the_pods_that_read_it_and_no_others() -> None:
    file = HELM / "plant-edge.yaml"
    before = pods(template(file).stdout)
    window = pods(template(file, given=["--set", "flows.confirmations.config.window=day"]).stdout)
    zone = pods(template(file, given=["--set", "site.MILLRACE_DEFAULT_ZONE=Europe/Berlin"]).stdout)
    assert {name for name in before if before[name] != window[name]} == {"StatefulSet flow-confirmations"}
    assert {name for name in before if before[name] == zone[name]} == set()


@needs_helm
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--set", "flow.confirmations.processes=2"], "flow"),
        (["--set", "flows.confirmations.processes=3"], "processes"),
        (["--set", "image.tag=latest"], "tag"),
        (["--set", "ledger.kind=mysql"], "kind"),
        (["--set", "flows.replenishment.replay=true"], "replay"),
        (["--set", "egress.to-erps.port=443"], "to-erps"),
    ],
)
def test_values_that_mean_nothing_are_refused_by_name(given: list[str], told: str) -> None:
    done = template(HELM / "plant-edge.yaml", given=given)
    assert done.returncode != 0
    assert told in done.stderr


@needs_helm
def test_a_plant_leaves_out_a_flow_and_numbers_stay_numbers(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        "flows:\n  replenishment: null\n  confirmations:\n    config: {batch: 1000000, lateness_s: 0.5}\n"
    )
    made = by_name(manifests(template(HELM / "plant-edge.yaml", values).stdout))
    assert not [name for name in made if "replenishment" in name]
    written = yaml.safe_load(made["ConfigMap flow-confirmations"]["data"]["flow.yaml"])
    assert (written["batch"], written["lateness_s"], written["publish"]) == (1_000_000, 0.5, True)


@needs_helm
def test_a_chart_that_differs_from_the_base_is_noticed(tmp_path: Path) -> None:
    """The control of the comparison: one changed line in a template."""
    copied = tmp_path / "millrace"
    shutil.copytree(CHART, copied)
    file = copied / "templates" / "flow.yaml"
    file.write_text(file.read_text().replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", 1))
    done = template(HELM / "central.yaml", chart=copied)
    changed = by_name(manifests(done.stdout))["StatefulSet flow-confirmations"]
    original = next(each for each in overlay("central") if each["metadata"]["name"] == "flow-confirmations")
    assert plain(changed) != plain(unhashed(copy.deepcopy(original)))


def by_name(found: object) -> dict[str, Manifest]:
    return {f"{each['kind']} {each['metadata']['name']}": each for each in found}  # type: ignore[attr-defined]
