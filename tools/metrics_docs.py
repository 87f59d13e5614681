"""Writes docs/metrics.md from the definitions of metrics: `python -m tools.metrics_docs`; `--check` compares."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from millrace import metrics
from millrace.metrics import DEFINITIONS, LABELS, Definition
from tools.generated import write_or_check
from tools.prometheus_rules import RULES

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
GROUPS = ("Flows", "Posters", "Business")
HEAD = """\
# Metrics and probes

Generated from the definitions in `millrace/metrics` by `python -m tools.metrics_docs`; a test compares.

A flow (`millrace run`) and a poster (`millrace post`) serve HTTP on `metrics_port` ([settings](settings.md)), on all
interfaces and without a password: let only Prometheus and the orchestrator reach it. `MILLRACE_METRICS_PORT` and
`MILLRACE_POST_METRICS_PORT` set it from the environment; images use 9464. Each process of a cluster has a port of its
own: process `n` serves `metrics_port + n`, and figures of one flow are summed over its processes in the query.

| path | 200 means, 503 says why not |
|---|---|
| `/metrics` | OpenMetrics where it is asked for, else Prometheus text |
| `/livez` | Live: the worker loop has turned within `stall_s`. An idle loop turns too. |
| `/readyz` | Ready: sources are assigned, state is restored, every lane (of a poster every system) is at work. |

Waiting for another system (ledger, broker, registry, disk, ERP) is no stall, since a restart would not end it. In a
cluster a process that is held up by another one stays live; only the one that stands still is not. A process that is
being drained is live and not ready; so is one to which no lane fell, with more processes than lanes.

`millrace health [--live|--ready] [--port N] [--processes N]` asks from inside an image and ends with 0 or 1. Where
several processes of a cluster run beside each other, `--processes` asks each: it may be another one that stands still.

Scrape jobs have to be named `millrace...` for the rules in `k8s/monitoring/rules.yaml`, whose alerts have
[runbooks](runbooks/index.md). Metrics are updated once per batch or round, never per event. Besides those below there
are the Python client's own (`process_*`, `python_*`).
"""


def page() -> str:
    """The whole page, of all modules that define metrics."""
    for module in pkgutil.iter_modules(metrics.__path__):
        importlib.import_module(f"{metrics.__name__}.{module.name}")
    return "\n".join([HEAD, *(_section(name) for name in GROUPS), _labels(), _recorded()])


def _section(group: str) -> str:
    lines = [f"## {group}", "", "| metric | type | labels | unit | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(_row(each) for each in DEFINITIONS.values() if each.group == group), ""])


def _row(of: Definition) -> str:
    labels = ", ".join(f"`{label}`" for label in of.labels)
    return f"| `{of.name}` | {of.kind} | {labels} | {of.unit} | {of.meaning} |"


def _labels() -> str:
    lines = ["## Labels", "", "Values are bounded; no metric names an order, a material or a machine.", ""]
    rows = [f"| `{name}` | {bound} |" for name, bound in LABELS.items()]
    return "\n".join([*lines, "| label | values |", "|---|---|", *rows, ""])


def _recorded() -> str:
    """Figures that the rules work out, for dashboards."""
    rules = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    rows = [f"| `{rule['record']}` | `{_cell(rule['expr'])}` |" for rule in rules if "record" in rule]
    return "\n".join(["## Recorded by the rules", "", "| series | from |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` compare it; 1 where it is stale."""
    return write_or_check("tools.metrics_docs", {PAGE: page()}, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
