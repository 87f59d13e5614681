"""How a flow is replayed: what `dataflows.replay` needs to know of it beside its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows.master_data import MasterData, master_data
from dataflows.replay_changes import Compared
from dataflows.replay_range import Linear
from millrace.ledger import Ledger
from operators.lane_config import Route
from schemas.registry import SchemaSource
from sinks.batches import Batch
from sources.history import HistoryLanes

if TYPE_CHECKING:
    from dataflows.replay import Replay

#: Settings, source of events, master data, sinks by step id, lanes.
Wire = Callable[[Any, HistoryLanes, MasterData, dict[str, Sink[Batch]], Sequence[str]], Dataflow]
#: Settings, schemas, files by reference contract, files of calendars.
Known = Callable[[Any, SchemaSource, Mapping[str, Sequence[str]], Sequence[str]], MasterData]


def _events(settings: Any) -> Sequence[str]:
    return tuple(settings.events)


@dataclass(frozen=True, slots=True)
class Replayable:
    """How a flow is replayed.

    Args:
        wire: Makes the flow. It holds nothing back: what is announced is read when the run has ended.
        route: Where accepted rows go, by the settings.
        linear: Which rows add up by themselves.
        kinds: Contracts of the documents that it makes.
        compare: Holds what a finished replay made against the ledger.
        reads: Contracts of the events, by the settings.
        known: Reads master data.
        decides: What it announces are decisions that depend on what was known when, and none is taken back: the whole
            history is read whatever the range, time passes only when all before it was taken, and nothing goes live.
        not_live: What to do instead of a live replay; None where there is one.
    """

    wire: Wire
    route: Callable[[Any], Route]
    linear: Linear
    kinds: Sequence[str]
    compare: Callable[[Ledger, Replay], Compared]
    reads: Callable[[Any], Sequence[str]] = _events
    known: Known = master_data
    decides: bool = False
    not_live: str | None = None


__all__ = ["Replayable"]
