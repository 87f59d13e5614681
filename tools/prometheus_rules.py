"""Writes k8s/monitoring/prometheusrule.yaml from rules.yaml: `python -m tools.prometheus_rules`; `--check` compares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tools.generated import write_or_check

FOLDER = Path(__file__).parents[1] / "k8s" / "monitoring"
RULES, MANIFEST = FOLDER / "rules.yaml", FOLDER / "prometheusrule.yaml"
HEAD = "# Made from rules.yaml by `python -m tools.prometheus_rules`; a test compares.\n"


class _Plain(yaml.SafeDumper):
    """Without anchors: what is written twice stands there twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        del data
        return True


def groups() -> list[dict[str, Any]]:
    """The groups of rules.yaml."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    """Alerting rules by name."""
    return {rule["alert"]: rule for group in groups() for rule in group["rules"] if "alert" in rule}


def manifest() -> str:
    """The same rules for the Prometheus operator."""
    labels = {"app.kubernetes.io/part-of": "millrace"}
    body = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "millrace", "labels": labels},
        "spec": {"groups": groups()},
    }
    return HEAD + yaml.dump(body, Dumper=_Plain, sort_keys=False, width=120)


def main(arguments: Sequence[str]) -> int:
    """Write the manifest, or with `--check` compare it; 1 where it is stale."""
    return write_or_check("tools.prometheus_rules", {MANIFEST: manifest()}, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
