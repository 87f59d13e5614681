"""Writes the Grafana dashboards under k8s/monitoring/dashboards: `python -m tools.dashboards`; `--check` compares.

A dashboard is a list of rows of panels; a panel is a title, a unit and its queries with a legend each. Everything that
Grafana wants besides is the same for all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.generated import write_or_check

FOLDER = Path(__file__).parents[1] / "k8s" / "monitoring" / "dashboards"
_WIDTH, _HEIGHT = 24, 8
_SOURCE = {"name": "source", "type": "datasource", "query": "prometheus"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Args:
        title: What it shows.
        unit: Grafana's name of the unit.
        queries: PromQL by legend.
        kind: `timeseries` or `stat`.
    """

    title: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Args:
        uid: Stable identity and name of the file.
        title: Title.
        about: Whom it is for.
        rows: Panels, row by row.
    """

    uid: str
    title: str
    about: str
    rows: Sequence[Sequence[Panel]]

    @property
    def panels(self) -> list[Panel]:
        """All panels in reading order."""
        return [panel for row in self.rows for panel in row]

    def json(self) -> dict[str, Any]:
        """As Grafana reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["millrace"],
            "schemaVersion": 39,
            "editable": False,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": [{**_SOURCE, "label": "Prometheus"}]},
            "panels": _placed(self.rows),
        }


def _placed(rows: Sequence[Sequence[Panel]]) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        width = _WIDTH // len(row)
        for column, panel in enumerate(row):
            at = {"x": column * width, "y": number * _HEIGHT, "w": width, "h": _HEIGHT}
            placed.append(_panel(panel, len(placed) + 1, at))
    return placed


def _panel(panel: Panel, number: int, at: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    targets = [
        {"refId": chr(ord("A") + index), "datasource": source, "expr": expr, "legendFormat": legend}
        for index, (legend, expr) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "gridPos": at,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def files() -> dict[Path, str]:
    """Content of every dashboard's file."""
    from tools.dashboard_views import VIEWS  # noqa: PLC0415 - the views are made of what is defined here

    return {FOLDER / f"{view.uid}.json": json.dumps(view.json(), indent=1) + "\n" for view in VIEWS}


def main(arguments: Sequence[str]) -> int:
    """Write the dashboards, or with `--check` compare them; 1 where one is stale."""
    return write_or_check("tools.dashboards", files(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
