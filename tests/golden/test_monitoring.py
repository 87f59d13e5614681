"""Rules, runbooks, dashboards and the page of metrics tell the same story as the code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from millrace.metrics import DEFINITIONS
from millrace.metrics.definition import gauge
from tests.servers.jars import ServersUnavailable
from tests.servers.prometheus import check_rules
from tools import dashboards, metrics_docs, prometheus_rules
from tools.dashboard_views import VIEWS

ROOT = Path(__file__).parents[2]
HEADINGS = ["What happened", "What users feel", "What to look at", "What repairs it"]
PROMTOOL_TESTS = prometheus_rules.FOLDER / "rules_test.yaml"
#: Of the Python client and of Prometheus itself.
FOREIGN = {"up", "process_resident_memory_bytes"}
SERIES = re.compile(r"\b(?:millrace[:_][a-z0-9_:]+|up|process_[a-z_]+)\b")


@pytest.mark.parametrize("tool", [metrics_docs, prometheus_rules, dashboards])
def test_what_is_generated_is_fresh(tool: object) -> None:
    """Run `python -m tools.metrics_docs`, `tools.prometheus_rules` and `tools.dashboards` after a change."""
    assert tool.main(["--check"]) == 0  # type: ignore[attr-defined]


def known() -> set[str]:
    """Every series that processes show and rules record."""
    metrics_docs.page()  # defines them all
    found = set(FOREIGN)
    for name, each in DEFINITIONS.items():
        found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if each.kind == "histogram" else {name}
    recorded = {rule["record"] for group in prometheus_rules.groups() for rule in group["rules"] if "record" in rule}
    return found | recorded


def test_rules_and_dashboards_ask_only_for_series_that_exist() -> None:
    asked = [rule["expr"] for group in prometheus_rules.groups() for rule in group["rules"]]
    asked += [expr for view in VIEWS for panel in view.panels for expr in panel.queries.values()]
    assert {name for expr in asked for name in SERIES.findall(expr)} - known() == set()


def test_a_series_that_nobody_shows_would_be_found() -> None:
    assert set(SERIES.findall("rate(millrace_no_such_total[5m])")) - known() == {"millrace_no_such_total"}


def test_every_alert_has_a_runbook_with_all_its_parts_and_the_index_names_it() -> None:
    index = (ROOT / "docs" / "runbooks" / "index.md").read_text()
    for name, rule in prometheus_rules.alerts().items():
        page = ROOT / rule["annotations"]["runbook"]
        text = page.read_text()
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS, page
        assert f"`{name}`" in text.partition("##")[0], page
        assert "millrace " in text.partition("## What repairs it")[2], page
        assert f"| `{name}` | {rule['labels']['severity']} | " in index


def test_every_runbook_belongs_to_an_alert() -> None:
    used = {Path(rule["annotations"]["runbook"]).name for rule in prometheus_rules.alerts().values()}
    assert {path.name for path in (ROOT / "docs" / "runbooks").glob("*.md")} == {*used, "index.md"}


def test_every_alert_has_a_unit_test_that_sees_it_fire() -> None:
    text = PROMTOOL_TESTS.read_text()
    fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", text))
    assert fired == set(prometheus_rules.alerts())


def _promtool(tests: Path) -> str:
    try:
        return check_rules(tests)
    except ServersUnavailable as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.mark.server
def test_the_rules_pass_their_unit_tests() -> None:
    assert _promtool(PROMTOOL_TESTS) == ""


@pytest.mark.server
@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("> 3600", "> 36000"),
        ("for: 1h", "for: 2h"),
        ("0.005", "0.5"),
        ("max by (erp, tier, state)", "sum by (erp, tier, state)"),
    ],
)
def test_a_changed_rule_fails_them(was: str, becomes: str, tmp_path: Path) -> None:
    rules = prometheus_rules.RULES.read_text()
    assert was in rules
    (tmp_path / "rules.yaml").write_text(rules.replace(was, becomes))
    (tmp_path / PROMTOOL_TESTS.name).write_text(PROMTOOL_TESTS.read_text())
    assert "FAILED" in _promtool(tmp_path / PROMTOOL_TESTS.name)


@pytest.mark.parametrize("label", ["order_id", "material", "source"])
def test_a_label_without_a_bound_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=label):
        gauge("Flows", "millrace_unbounded", (label,), "", "")
    assert "millrace_unbounded" not in DEFINITIONS


def test_each_metric_has_a_unit_and_a_sentence() -> None:
    assert [name for name, each in DEFINITIONS.items() if not each.unit or not each.meaning.endswith(".")] == []
