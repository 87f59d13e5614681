"""Diagrams of the contracts' site: who writes a topic and who reads it, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from schemas.contracts import Contract

_BOX_W, _BOX_H, _GAP, _COLUMN, _EDGE = 200, 30, 12, 300, 10


@dataclass(frozen=True, slots=True)
class _Box:
    """One party or topic.

    Args:
        text: What it is called.
        kind: Its look.
        column: 0 producers, 1 topics, 2 consumers.
        y: Top, in pixels.
        link: Page that it leads to.
    """

    text: str
    kind: str
    column: int
    y: float
    link: str = ""

    @property
    def x(self) -> float:
        return _EDGE + self.column * _COLUMN

    @property
    def middle(self) -> float:
        return self.y + _BOX_H / 2

    def svg(self) -> str:
        box = (
            f'<g class="{self.kind}"><title>{escape(self.text)}</title>'
            f'<rect x="{self.x:g}" y="{self.y:g}" width="{_BOX_W}" height="{_BOX_H}" rx="5"/>'
            f'<text x="{self.x + _BOX_W / 2:g}" y="{self.middle + 4:g}">{escape(self.text)}</text></g>'
        )
        return f'<a href="{escape(self.link)}">{box}</a>' if self.link else box


def diagram(contracts: Sequence[Contract]) -> str:
    """Producers on the left, topics in the middle, consumers on the right; topics lead to their pages."""
    sides = [_parties(contracts, "producers"), [each.topic for each in contracts], _parties(contracts, "consumers")]
    height = max(len(side) for side in sides) * (_BOX_H + _GAP) - _GAP + 2 * _EDGE
    links = {each.topic: f"{each.name}.html" for each in contracts}
    boxes = [
        {
            text: _Box(text, _kind(text, column), column, y, links.get(text, "") if column == 1 else "")
            for text, y in side
        }
        for column, side in enumerate(_placed(side, height) for side in sides)
    ]
    arrows = [
        *(_arrow(boxes[0][party], boxes[1][each.topic]) for each in contracts for party in each.schema["producers"]),
        *(_arrow(boxes[1][each.topic], boxes[2][party]) for each in contracts for party in each.schema["consumers"]),
    ]
    width = 2 * _EDGE + 2 * _COLUMN + _BOX_W
    drawn = "".join(box.svg() for side in boxes for box in side.values())
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="Who writes and who reads">{_HEAD}{"".join(arrows)}{drawn}</svg>'
    )


_HEAD = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z"/></marker></defs>'
)


def _parties(contracts: Sequence[Contract], side: str) -> list[str]:
    return list(dict.fromkeys(party for each in contracts for party in each.schema[side]))


def _kind(text: str, column: int) -> str:
    return "topic" if column == 1 else text.partition(":")[0]


def _placed(side: Sequence[str], height: float) -> list[tuple[str, float]]:
    """Tops of the boxes of a column, spread about its middle."""
    used = len(side) * (_BOX_H + _GAP) - _GAP
    top = (height - used) / 2
    return [(text, top + row * (_BOX_H + _GAP)) for row, text in enumerate(side)]


def _arrow(start: _Box, end: _Box) -> str:
    a, b = start.x + _BOX_W, end.x
    bend = (a + b) / 2
    return (
        f'<path class="arrow" marker-end="url(#tip)" '
        f'd="M{a:g} {start.middle:g}C{bend:g} {start.middle:g} {bend:g} {end.middle:g} {b:g} {end.middle:g}"/>'
    )
