"""What a shard of replenishment needs to know, and what it gives out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl

from operators.replenishment_figures import Figures
from operators.replenishment_policy import PolicyBook
from operators.replenishment_recall import Recall
from operators.stock_kept import Files
from operators.stock_mismatch import Tolerance


@dataclass(frozen=True, slots=True)
class ReplenishmentConfig:
    """How stock is judged.

    Args:
        rules: How materials are ordered.
        step: Microseconds between instants of judging.
        keep: Movements and balances are kept this long before the newest balance of their key.
        keep_papers: Papers of closed requests are kept this long.
        tolerance: How far reported and projected stock may lie apart.
        hold: Announce only from durable state; False without recovery.
        most_waiting: Rows of each kind that may wait for their material, per shard.
        recall: Reads letters of rows that found no room; None where there is no ledger.
        files: Keeps large chunks of movements beside the state; None keeps them in it.
    """

    rules: PolicyBook
    step: int = 60_000_000
    keep: timedelta = timedelta(hours=12)
    keep_papers: timedelta = timedelta(days=30)
    tolerance: Tolerance = field(default_factory=Tolerance)
    hold: bool = True
    most_waiting: int = 100_000
    recall: Recall | None = None
    files: Files | None = None


@dataclass(slots=True)
class Announced:
    """What a shard gives out.

    Args:
        requests: Fields of ReplenishmentRequest.
        alerts: Fields of Alert without its envelope.
        healed: Places that lack nothing any more of what was given up: STOCK_KEY and `until`, microseconds.
        given_up: Rows whose material is not known and that more rows wait than have room: `rows` is their kind.
        projections: Rows of SIGNAL.
        summaries: How requests stand, the newest version of each.
        figures: What people who watch the flow are told.
    """

    requests: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    given_up: list[dict[str, Any]] = field(default_factory=list)
    healed: list[dict[str, Any]] = field(default_factory=list)
    projections: list[pl.DataFrame] = field(default_factory=list)
    summaries: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to announce."""
        told = self.requests or self.alerts or self.given_up or self.healed
        return not (self.figures.compared or told or self.projections or self.summaries)
