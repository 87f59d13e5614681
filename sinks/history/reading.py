"""Reads both zones of the history as one, each row once, while compaction and flows go on writing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from millrace.errors import Retriable
from sinks.history.day_file import DayFile, read_footer
from sinks.history.places import Place
from sinks.history.store import versions
from sinks.history.zones import DAY_FILE, DAYS, PlantDay, folders, raw_files

ATTEMPTS = 20
Result = TypeVar("Result")


def _every(_day: PlantDay) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Plan:
    """Files that together hold each row of a topic once.

    Args:
        days: Day files with their versions.
        raw: Raw files that are in none of them.
    """

    days: dict[Place, str]
    raw: tuple[Place, ...]

    @property
    def files(self) -> list[Place]:
        """All of them, in order of plant and date."""
        return sorted([*self.days, *self.raw], key=lambda path: (*path.parts[-3:-1], str(path)))

    def stands(self) -> bool:
        """Whether the same files are still there, so that what was read of them fits together."""
        now = versions([*self.days, *self.raw])
        return all(now.get(path) == known for path, known in self.days.items()) and all(p in now for p in self.raw)


def plan(root: Place, topic: str, only: Callable[[PlantDay], bool] = _every) -> Plan:
    """Files to read of a topic now, of the plant-days that are asked for.

    The raw zone is listed before a day file is looked at: a compaction in between makes files of the list
    superfluous, which the day file says, but makes none missing.

    Raises:
        Misconfigured: A day file is not readable, or a flow went back to an older state.
    """
    days: dict[Place, str] = {}
    raw: list[Place] = []
    for folder, day_of in folders(root, topic).items():
        if not only(day_of):
            continue
        found = list(raw_files(root / topic / folder))
        day = read_footer(root / DAYS / topic / folder / DAY_FILE)
        if day is not None:
            days[day.path] = day.found.version
        raw += [each.path for each in found if day is None or not day.holds(each)]
    return Plan(days, tuple(raw))


def read(
    root: Place, topic: str, fetch: Callable[[list[Place]], Result], only: Callable[[PlantDay], bool] = _every
) -> Result:
    """Call `fetch` with the files of a topic, again when compaction replaced some of them meanwhile.

    Args:
        root: Folder of the history.
        topic: Topic.
        fetch: Reads all that it needs of the files; called more than once, so it must have no other effect.
        only: Plant-days to read.

    Raises:
        Retriable: The files were replaced during every attempt.
        Misconfigured: See `plan`.
    """
    for _ in range(ATTEMPTS):
        planned = plan(root, topic, only)
        try:
            result = fetch(planned.files)
        except Exception:
            if planned.stands():
                raise
            continue
        if planned.stands():
            return result
    raise Retriable(f"{root / topic}: its files were replaced while they were read, {ATTEMPTS} times")


def day_files(root: Place, topic: str) -> list[DayFile]:
    """Footers of the day files of a topic.

    Raises:
        Misconfigured: One is not readable.
    """
    paths = [root / DAYS / topic / folder / DAY_FILE for folder in folders(root, topic)]
    return [footer for path in paths if (footer := read_footer(path)) is not None]
