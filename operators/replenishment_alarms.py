"""Conditions that stand: told once when they begin, closed once when they are mended, not repeated in between."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

Condition = Mapping[str, Any]
_MICRO = 1_000_000


class Alarms:
    """Standing conditions by group: a group (a request, a place) is looked at as a whole.

    Args:
        state: Of `snapshot`.
    """

    def __init__(self, state: Mapping[str, Mapping[str, Condition]] | None = None) -> None:
        self.standing: dict[str, dict[str, Condition]] = {
            group: dict(conditions) for group, conditions in (state or {}).items()
        }

    def update(self, group: str, conditions: Iterable[Condition], instant: datetime) -> list[dict[str, Any]]:
        """What to tell of a group now that these conditions stand: fields of Alert.

        Args:
            group: The group.
            conditions: With `event_id`, which stays the same while a condition stands.
            instant: When it was looked at, event time.
        """
        before = self.standing.get(group, {})
        now = {str(each["event_id"]): each for each in conditions}
        raised = [_alert(each, instant) for name, each in now.items() if name not in before]
        mended = [_closed(each, instant) for name, each in before.items() if name not in now]
        self.forget(group)
        if now:
            # What was told stays: numbers may move on while a condition stands.
            self.standing[group] = {name: before.get(name, each) for name, each in now.items()}
        return raised + mended

    def keep(self, group: str, names: Collection[str]) -> None:
        """Forget what can no longer be judged: conditions whose identity does not end in one of these names."""
        before = self.standing.get(group, {})
        kept = {name: each for name, each in before.items() if name.rpartition("/")[2] in names}
        if len(kept) < len(before):
            self.forget(group)
            if kept:
                self.standing[group] = kept

    def forget(self, group: str) -> None:
        """A group has left the state; nothing is told."""
        self.standing.pop(group, None)

    def snapshot(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Plain values."""
        return {group: {name: dict(each) for name, each in found.items()} for group, found in self.standing.items()}


def _alert(condition: Condition, instant: datetime) -> dict[str, Any]:
    """The same for every life of the flow that reaches the instant, so that a repeat is known by its identity."""
    at = int(instant.timestamp() * _MICRO)
    told = {"error_class": "application", **condition}
    return {**told, "event_id": f"{condition['event_id']}/{at}", "event_time": instant, "closed": False}


def _closed(condition: Condition, instant: datetime) -> dict[str, Any]:
    told = _alert(condition, instant)
    more = {"severity": "INFO", "closed": True, "message": f"no longer so: {condition['message']}"}
    return {**told, **more, "event_id": f"{told['event_id']}/closed"}
