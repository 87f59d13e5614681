"""What a timeline is told and what it gives out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

import polars as pl

from operators.counters import QUARANTINED, CounterPolicy
from operators.partials import CONTRIBUTION
from operators.timeline_announced import STATE_TIMES
from operators.windows import Window

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TimelineConfig:
    """How timelines are read.

    Args:
        window: Window of the documents.
        counters: Counter policy by pattern of the source's name (`press-*`); the first that matches counts.
        default_counter: Policy of the sources that are not named.
        micro_stop: A stop shorter than this between two PRODUCTION states is a micro-stop.
        forget_counter: A counter silent for longer than this before a cut is forgotten; its next reading is
            a first one. Bounds the baselines where a counter's identity names orders.
    """

    window: Window
    counters: Mapping[str, CounterPolicy] = field(default_factory=dict)
    default_counter: CounterPolicy = field(default_factory=CounterPolicy)
    micro_stop: timedelta = timedelta(minutes=2)
    forget_counter: timedelta = timedelta(days=35)

    @property
    def policies(self) -> Mapping[str, CounterPolicy]:
        """Policy by source, "" for the others."""
        return _Policies(self.counters, self.default_counter)

    @property
    def micro_stop_micros(self) -> int:
        """Threshold in microseconds."""
        return self.micro_stop // MICROSECOND

    @property
    def forget_micros(self) -> int:
        """Silence in microseconds after which a counter is forgotten."""
        return self.forget_counter // MICROSECOND


class _Policies(Mapping[str, CounterPolicy]):
    """Policy of any source: of the first pattern that matches its name, else the default."""

    def __init__(self, patterns: Mapping[str, CounterPolicy], default: CounterPolicy) -> None:
        self._patterns, self._default = patterns, default

    def __getitem__(self, source: str) -> CounterPolicy:
        found = (policy for pattern, policy in self._patterns.items() if fnmatchcase(source, pattern))
        return next(found, self._default)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._patterns, "": self._default})

    def __len__(self) -> int:
        return len({**self._patterns, "": self._default})


@dataclass(frozen=True, slots=True)
class Output:
    """What a timeline announces.

    Args:
        contributions: Rows of CONTRIBUTION; all rows of a document key and part come together.
        state_times: Rows of STATE_TIMES; the highest revision per work centre and shift counts.
        quarantined: Rows of QUARANTINED, for alerts: readings that do not count, and clamped negative totals.
    """

    contributions: pl.DataFrame
    state_times: pl.DataFrame
    quarantined: pl.DataFrame

    @classmethod
    def joined(cls, outputs: Sequence[Output]) -> Output:
        """Several outputs in one, in their order."""
        return cls(
            pl.concat([pl.DataFrame(schema=CONTRIBUTION), *(o.contributions for o in outputs)]),
            pl.concat([pl.DataFrame(schema=STATE_TIMES), *(o.state_times for o in outputs)]),
            pl.concat([pl.DataFrame(schema=QUARANTINED), *(o.quarantined for o in outputs)]),
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to announce."""
        return not (self.contributions.height or self.state_times.height or self.quarantined.height)
