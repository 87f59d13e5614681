"""Figures of a shard for people who watch it: how often stock was what the ERP says, how soon suppliers answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from operators.request_lifecycle import Progress
from operators.request_papers import ACKNOWLEDGED, ORDERED


@dataclass(slots=True)
class Figures:
    """What came about since the last time.

    Args:
        compared: Places whose reported stock was compared with the projected one, by plant.
        apart: Those of them where the two lay apart.
        responses: Plant and seconds from an item of a purchase order to its first acknowledgement.
    """

    compared: Counter[str] = field(default_factory=Counter)
    apart: Counter[str] = field(default_factory=Counter)
    responses: list[tuple[str, float]] = field(default_factory=list)

    def count(self, standing: Mapping[str, Sized]) -> None:
        """Places as `plant|...` with what lies apart there."""
        for place, conditions in standing.items():
            plant = place.partition("|")[0]
            self.compared[plant] += 1
            self.apart[plant] += bool(len(conditions))

    def answered(self, rows: pl.DataFrame, found: Iterable[Progress]) -> None:
        """First acknowledgements of orders, where one of the two is among new rows of PAPER."""
        answers, orders = (_first(rows, kind) for kind in (ACKNOWLEDGED, ORDERED))
        if not answers | orders:
            return
        for line in (line for progress in found for line in progress.lines):
            # Once a newer version has come, nobody knows when the first one did.
            if line.order is None or line.answer is None or line.answer["revision"] > 1:
                continue
            item = _item(line.answer)
            if item in answers or (item in orders and line.order["revision"] == 1):
                seconds = (line.answer["time"] - line.order["time"]).total_seconds()
                self.responses.append((line.answer["plant"], max(0.0, seconds)))


def _first(rows: pl.DataFrame, kind: str) -> set[tuple[str, str, str]]:
    """Items of first versions."""
    first = rows.filter((pl.col("kind") == kind) & (pl.col("revision") == 1))
    return set(first.select("plant", "purchase_order", "purchase_order_item").iter_rows())


def _item(paper: Mapping[str, Any]) -> tuple[str, str, str]:
    return paper["plant"], paper["purchase_order"], paper["purchase_order_item"]
