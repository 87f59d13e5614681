"""What happens in the simulated plant, before it is numbered and sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.plant_layout import PLANT

Record = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Event:
    """Something that happened.

    Args:
        time: When, UTC.
        contract: Contract of its record.
        source: Who tells of it; also the record key.
        fields: The contract's own fields; once numbered, all of them.
    """

    time: datetime
    contract: str
    source: str
    fields: Record


def milliseconds(time: datetime) -> int:
    """Milliseconds since the epoch: the resolution of the plant's clocks."""
    return (time - EPOCH) // timedelta(milliseconds=1)


def instant(now: int) -> datetime:
    """The other way round."""
    return EPOCH + timedelta(milliseconds=now)


def head(event: Event, event_id: str, sequence: int | None) -> Record:
    """The fields that every event carries."""
    return {
        "event_id": event_id,
        "event_time": event.time,
        "plant": PLANT,
        "source": event.source,
        "sequence": sequence,
        "correlation_id": None,
    }
