"""Inline SVG for the report; colours come from the page's style sheet, light and dark alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from sandbox.report_scale import Scale, rounded_up, short, spread, ticks

Sample = Mapping[str, float | int | bool | str | None]
#: Second at which something began, what it was, and the second at which it ended (None: a moment).
Mark = tuple[float, str, float | None]

WIDTH, LEFT, RIGHT = 1040.0, 56.0, 110.0
LABEL_LANE, CHARACTER = 17.0, 6.4


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart over time.

    Args:
        title: What it shows, with its unit.
        series: Key of the samples, label at the line's end, colour class (`s1`, `s2`, `s3`).
        height: Of the plotting area.
        filled: Shade below the lines.
    """

    title: str
    series: Sequence[tuple[str, str, str]]
    height: float = 96.0
    filled: bool = False


def timeline(samples: Sequence[Sample], marks: Sequence[Mark], panels: Sequence[Panel]) -> str:
    """Panels one above the other on a common time axis; marks run through all of them."""
    x = Scale(0, max([_number(s, "t") for s in samples] + [1.0]), LEFT, WIDTH - RIGHT)
    lanes = _lanes(marks, x)
    top = LABEL_LANE * (max(lanes, default=-1) + 1) + 30
    parts: list[str] = []
    y = top
    for panel in panels:
        parts.append(_panel(panel, samples, x, y))
        y += panel.height + 46
    bottom = y - 46
    parts.append(_time_axis(x, bottom))
    drawn = _marks(marks, lanes, x, bottom)
    return drawing(WIDTH, bottom + 40, drawn + "".join(parts), "Events, postings and backlog over time")


def bars(values: Mapping[str, int]) -> str:
    """One horizontal bar per name, with its number."""
    row, left = 28.0, 190.0
    x = Scale(0, max([*values.values(), 1]), left, WIDTH / 2 + 120)
    parts = []
    for index, (name, value) in enumerate(sorted(values.items(), key=lambda item: -item[1])):
        y = index * row + 6
        width = max(x(value) - left, 2)
        parts.append(put_text(left - 10, y + 14, name, "label end"))
        parts.append(f'<rect class="bar" x="{left}" y="{y}" width="{width:.1f}" height="19" rx="3"/>')
        parts.append(put_text(left + width + 8, y + 14, f"{value:,}", "value"))
    return drawing(WIDTH / 2 + 200, max(len(values), 1) * row + 8, "".join(parts), "Dead letters by reason")


@dataclass(frozen=True, slots=True)
class Progress:
    """One operation: what the ERP shows (bar) and what the plant made (ring), as shares of the target."""

    order: str
    operation: str
    booked: Decimal
    truth: Decimal
    target: Decimal
    unit: str


def progress(rows: Sequence[Progress]) -> str:
    """Booked against made, in two columns of operations; a ring off its bar's end would be a difference."""
    half, row, width = (len(rows) + 1) // 2, 21.0, WIDTH / 2
    parts = []
    for column, chunk in enumerate((rows[:half], rows[half:])):
        left = column * width
        x = Scale(0, 120, left + 118, left + width - 128)
        if chunk:
            parts.append(_targets(x, half * row + 22))
        previous = ""
        for index, item in enumerate(chunk):
            parts.append(_progress_row(item, x, 24 + index * row, left, named=item.order != previous))
            previous = item.order
    return drawing(WIDTH, half * row + 34, "".join(parts), "Booked in the ERP against plant truth, per operation")


def _targets(x: Scale, bottom: float) -> str:
    lines = []
    for share in (0, 50, 100):
        kind = "target" if share == 100 else "grid"
        lines.append(f'<line class="{kind}" x1="{x(share):.1f}" x2="{x(share):.1f}" y1="18" y2="{bottom:.1f}"/>')
        lines.append(put_text(x(share), 11, f"{share} %" if share != 100 else "target", "tick middle"))
    return "".join(lines)


def _progress_row(item: Progress, x: Scale, y: float, left: float, *, named: bool) -> str:
    share = 100 / float(item.target or 1)
    booked, truth = (min(float(value) * share, 122.0) for value in (item.booked, item.truth))
    kind = "bar" if item.booked == item.truth else "bar wrong"
    off = item.booked - item.truth
    number = f"{item.booked.normalize():,f} {item.unit}" + (f" ({off.normalize():+,f})" if off else "")
    parts = [
        put_text(left + 62, y + 11, item.order, "label end") if named else "",
        put_text(left + 108, y + 11, item.operation, "tick end"),
        f'<rect class="{kind}" x="{x(0):.1f}" y="{y + 2}" width="{max(x(booked) - x(0), 1):.1f}" height="10" rx="2"/>',
        f'<circle class="ring" cx="{x(truth):.1f}" cy="{y + 7}" r="5"/>',
        put_text(left + WIDTH / 2 - 22, y + 11, number, "value end" if not off else "value end bad"),
    ]
    return "".join(parts)


def _panel(panel: Panel, samples: Sequence[Sample], x: Scale, top: float) -> str:
    highest = max([_number(sample, key) for sample in samples for key, _, _ in panel.series] + [0.0])
    y = Scale(0, rounded_up(highest), top + panel.height, top)
    parts = [put_text(LEFT, top - 9, panel.title, "title")]
    for tick in ticks(0, y.high, 3):
        parts.append(f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(put_text(LEFT - 8, y(tick) + 4, short(tick), "tick end"))
    ends = [y(_number(samples[-1], key)) if samples else y(0) for key, _, _ in panel.series]
    places = spread(ends, 15, top + 4, top + panel.height)
    for (key, label, colour), place in zip(panel.series, places, strict=True):
        points = [(x(_number(sample, "t")), y(_number(sample, key))) for sample in samples]
        parts.append(_line(points, y(0), colour, filled=panel.filled))
        parts.append(put_text(x.end + 8, place + 4, label, f"name {colour}"))
    return "".join(parts)


def _line(points: Sequence[tuple[float, float]], base: float, colour: str, *, filled: bool) -> str:
    if not points:
        return ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    area = f"{points[0][0]:.1f},{base:.1f} {path} {points[-1][0]:.1f},{base:.1f}"
    shade = f'<polygon class="area {colour}" points="{area}"/>' if filled else ""
    return f'{shade}<polyline class="line {colour}" points="{path}"/>'


def _time_axis(x: Scale, bottom: float) -> str:
    parts = [f'<line class="axis" x1="{x.start}" x2="{x.end}" y1="{bottom}" y2="{bottom}"/>']
    parts += [put_text(x(tick), bottom + 18, f"{tick:g} s", "tick middle") for tick in ticks(0, x.high, 8)]
    return "".join(parts)


def _lanes(marks: Sequence[Mark], x: Scale) -> list[int]:
    """Row for each label such that none covers another."""
    free: list[float] = []
    lanes = []
    for start, label, _ in sorted(marks, key=lambda mark: mark[0]):
        begin, end = _label_span(x(start), label)
        lane = next((index for index, taken in enumerate(free) if taken <= begin), len(free))
        free[lane : lane + 1] = [end + 12]
        lanes.append(lane)
    return lanes


def _label_span(place: float, label: str) -> tuple[float, float]:
    """From where to where a label runs: to the right of its mark, or shifted left at the drawing's edge."""
    width = len(label) * CHARACTER + 6
    begin = min(place + 5, WIDTH - width)
    return begin, begin + width


def _marks(marks: Sequence[Mark], lanes: Sequence[int], x: Scale, bottom: float) -> str:
    parts = []
    for (start, label, end), lane in zip(sorted(marks, key=lambda mark: mark[0]), lanes, strict=True):
        y = 12 + lane * LABEL_LANE
        if end is not None:
            width = max(x(min(end, x.high)) - x(start), 1.5)
            parts.append(
                f'<rect class="band" x="{x(start):.1f}" y="{y - 10:.1f}" width="{width:.1f}" '
                f'height="{bottom - y + 10:.1f}"/>'
            )
        kind = "mark" if end is None else "mark edge"
        ends = f'y1="{y - 10:.1f}" y2="{bottom:.1f}"'
        parts.append(f'<line class="{kind}" x1="{x(start):.1f}" x2="{x(start):.1f}" {ends}/>')
        parts.append(put_text(_label_span(x(start), label)[0], y, label, "marked"))
    return "".join(parts)


def _number(sample: Sample, key: str) -> float:
    value = sample.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def put_text(x: float, y: float, text: str, kind: str) -> str:
    """Text at a place, in the classes of the style sheet."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def drawing(width: float, height: float, content: str, title: str) -> str:
    """A drawing of so many units that takes the width it has."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}" '
        f'style="max-width:{width:.0f}px">{content}</svg>'
    )


def best_rate(samples: Sequence[Sample], key: str, over: float = 2.0) -> float:
    """Highest increase per second over so many seconds: counts that come in steps have no shorter rate.

    A counter that starts again counts as no increase.
    """
    best, first = 0.0, 0
    for last, after in enumerate(samples):
        while first < last and _number(after, "t") - _number(samples[first + 1], "t") >= over:
            first += 1
        seconds = _number(after, "t") - _number(samples[first], "t")
        if seconds >= over:
            best = max(best, (_number(after, key) - _number(samples[first], key)) / seconds)
    return best
