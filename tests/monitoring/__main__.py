"""Draws the dashboards over the demo's day: `python -m tests.monitoring OUT.html`, without a Grafana."""

from __future__ import annotations

import html
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.monitoring.demo import WatchedDemo, unseen
from tests.servers.prometheus import Prometheus
from tools.dashboard_views import VIEWS
from tools.dashboards import Panel

_WIDTH, _HEIGHT, _STEPS = 420, 130, 120
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")
_STYLE = """body{font:13px sans-serif;margin:16px}section{display:flex;flex-wrap:wrap;gap:12px}
figure{margin:0;border:1px solid #ccc;padding:8px;width:420px}figcaption{font-weight:bold}svg{background:#fafafa}"""


def page(prometheus: Prometheus, start: float, end: float) -> str:
    """All dashboards as one page."""
    parts = [f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>"]
    for view in VIEWS:
        figures = "".join(_figure(prometheus, panel, start, end) for panel in view.panels)
        parts.append(f"<h2>{view.title}</h2><p>{view.about}</p><section>{figures}</section>")
    return "\n".join(parts)


def _figure(prometheus: Prometheus, panel: Panel, start: float, end: float) -> str:
    found = [
        (_named(legend, series["metric"]), [(float(at), float(value)) for at, value in series["values"]])
        for legend, expr in panel.queries.items()
        for series in prometheus.query_range(expr, start, end, (end - start) / _STEPS)
    ]
    known = [(name, [(at, value) for at, value in points if value == value]) for name, points in found]  # noqa: PLR0124
    known = [(name, points) for name, points in known if points]
    top = max((value for _, points in known for _, value in points), default=0.0) or 1.0
    lines, legends = [], []
    for number, (name, points) in enumerate(known):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(
            f"{(at - start) / (end - start) * _WIDTH:.1f},{_HEIGHT - 4 - max(0, value) / top * (_HEIGHT - 10):.1f}"
            for at, value in points
        )
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        legends.append(f'<span style="color:{colour}">{html.escape(name)}: {points[-1][1]:.4g}</span>')
    empty = "" if known else '<text x="150" y="70" fill="red">no data</text>'
    drawing = f'<svg width="{_WIDTH}" height="{_HEIGHT}">{"".join(lines)}{empty}</svg>'
    title = f"{html.escape(panel.title)} [{panel.unit}], top {top:.4g}"
    return f"<figure><figcaption>{title}</figcaption>{drawing}<br>{'<br>'.join(legends)}</figure>"


def _named(legend: str, labels: dict[str, Any]) -> str:
    for name, value in labels.items():
        legend = legend.replace("{{" + name + "}}", str(value))
    return legend


def main(target: Path) -> None:
    """Let the day go by, then draw it."""
    with tempfile.TemporaryDirectory() as folder:
        demo = WatchedDemo(Path(folder))
        try:
            demo.start()
            never = unseen(demo)
            while not demo.over:
                demo.order_and_answer()
                time.sleep(1)
            target.write_text(page(demo.prometheus, demo.begun + 5, time.time()), encoding="utf-8")
        finally:
            demo.close()
    sys.stdout.write(f"{target}; without an answer: {never or 'none'}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
