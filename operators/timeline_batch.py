"""What a step of timelines hands on."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from operators.timeline import Output


@dataclass(frozen=True, slots=True)
class TimelineBatch:
    """What a timeline announced, and events that came after what they belong to had left the state."""

    output: Output
    orphans: pl.DataFrame
