"""Projected stock over time as inline SVG: one panel per material, with s, S, requests and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sandbox.report_scale import Scale, rounded_up, short, spread, ticks
from sandbox.report_svg import LEFT, RIGHT, WIDTH, drawing, put_text

HEIGHT, GAP, TOP, LEGEND = 118.0, 34.0, 34.0, 26.0
_LINE = 14.0
#: Hour of the day and a quantity.
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Band:
    """Hours between which something went on, and what."""

    begin: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class StockPanel:
    """One material.

    Args:
        title: Its name and unit.
        projected: Steps of projected stock.
        on_hand: Steps of unrestricted stock.
        limits: s and S.
        requests: When and how much was asked for.
        receipts: When and how much came.
        bands: What went on with it.
    """

    title: str
    projected: Sequence[Point]
    on_hand: Sequence[Point]
    limits: tuple[float, float]
    requests: Sequence[Point] = ()
    receipts: Sequence[Point] = ()
    bands: Sequence[Band] = field(default=())


def stock_plot(panels: Sequence[StockPanel]) -> str:
    """Panels one above the other on a common axis of hours."""
    last = max((point[0] for panel in panels for point in (*panel.projected, *panel.receipts)), default=1.0)
    x = Scale(0, max(last, 1.0), LEFT, WIDTH - RIGHT)
    y, parts = LEGEND + TOP, [_legend()]
    for panel in panels:
        parts.append(_panel(panel, x, y))
        y += HEIGHT + GAP + TOP / 2
    bottom = y - GAP - TOP / 2
    parts += [put_text(x(tick), bottom + 18, f"{tick:g} h", "tick middle") for tick in ticks(0, x.high, 12)]
    return drawing(WIDTH, bottom + 30, "".join(parts), "Projected stock over time, per material")


def _legend() -> str:
    """What the marks mean."""
    y = 14.0
    items = (
        ('<line class="line s1" x1="0" x2="22" y1="{m}" y2="{m}"/>', "projected", "name s1"),
        ('<line class="line s2" x1="0" x2="22" y1="{m}" y2="{m}"/>', "on hand", "name s2"),
        ('<path class="asked" d="M4,{b} h14 l-7,-11 z"/>', "request", "value"),
        ('<path class="came" d="M4,{t} h14 l-7,11 z"/>', "receipt", "value"),
        ('<line class="target" x1="0" x2="22" y1="{m}" y2="{m}"/>', "s and S", "value"),
    )
    parts, left = [], LEFT
    for shape, text, kind in items:
        drawn = shape.format(m=y - 4, b=y + 1, t=y - 9)
        parts.append(f'<g transform="translate({left:.0f} 0)">{drawn}</g>' + put_text(left + 28, y, text, kind))
        left += 120
    return "".join(parts)


def _panel(panel: StockPanel, x: Scale, top: float) -> str:
    values = [value for _, value in (*panel.projected, *panel.on_hand)]
    high = rounded_up(max([*values, *panel.limits, 1.0]))
    y = Scale(min([*values, 0.0]), high, top + HEIGHT, top)
    parts = [_band(band, x, top) for band in panel.bands]
    parts.append(put_text(LEFT, top - 9, panel.title, "title"))
    for tick in ticks(y.low, y.high, 3):
        parts.append(f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(put_text(LEFT - 8, y(tick) + 4, short(tick), "tick end"))
    parts += [_steps(panel.on_hand, x, y, "s2"), _steps(panel.projected, x, y, "s1"), _limits(panel, x, y)]
    parts += [_mark(x(hour), y(panel.limits[0]), "asked", -1) for hour, _ in panel.requests]
    parts += [_mark(x(hour), y(y.low), "came", 1) for hour, _ in panel.receipts]
    return "".join(parts)


def _limits(panel: StockPanel, x: Scale, y: Scale) -> str:
    places = spread([y(limit) for limit in panel.limits], _LINE, y.end, y.start)
    parts = []
    for name, limit, place in zip(("s", "S"), panel.limits, places, strict=True):
        parts.append(f'<line class="target" x1="{x.start}" x2="{x.end}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"/>')
        parts.append(put_text(x.end + 8, place + 4, f"{name} {limit:,.0f}", "tick"))
    return "".join(parts)


def _steps(points: Sequence[Point], x: Scale, y: Scale, colour: str) -> str:
    """A value stays until the next one is known; what was before the day is drawn at its begin."""
    if not points:
        return ""
    points = [(max(hour, x.low), value) for hour, value in points]
    places = [f"{x(points[0][0]):.1f},{y(points[0][1]):.1f}"]
    for before, (hour, value) in pairwise(points):
        places += [f"{x(hour):.1f},{y(before[1]):.1f}", f"{x(hour):.1f},{y(value):.1f}"]
    places.append(f"{x.end:.1f},{y(points[-1][1]):.1f}")
    return f'<polyline class="line {colour}" points="{" ".join(places)}"/>'


def _mark(x: float, y: float, kind: str, way: int) -> str:
    """A triangle whose tip is at a place; it points up for what is asked for, down for what came."""
    return f'<path class="{kind}" d="M{x:.1f},{y:.1f} l-6,{-11 * way:.0f} h12 z"/>'


def _band(band: Band, x: Scale, top: float) -> str:
    begin, end = x(max(band.begin, x.low)), x(min(band.end, x.high))
    rect = f'<rect class="band" x="{begin:.1f}" y="{top:.1f}" width="{max(end - begin, 1.5):.1f}" height="{HEIGHT}"/>'
    return rect + put_text(begin, top - 9, band.label, "marked")
