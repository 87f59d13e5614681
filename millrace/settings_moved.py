"""Keys of older releases: each warns with the way on, and where that is safe the start goes on with it.

Whoever renames or removes a key adds a line to MOVED; a test demands that a renamed key leads to one that exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """A key that a settings model no longer has.

    Args:
        model: Name of the model of the whole file, or of one that it derives from.
        key: Place in the file; `*` stands for each item of a list.
        release: First release without it.
        way: What to write instead, for a person.
        to: Key in the same section that takes the value over by itself; `auth.user` steps into a section. None: the
            value can't be taken over.
        also: Further keys of that section that the new way needs, unless they are given.
        ignored: The key has no effect any more, and the start goes on without it.
    """

    model: str
    key: str
    release: str
    way: str
    to: str | None = None
    also: Mapping[str, Any] = field(default_factory=dict)
    ignored: bool = False


_BASIC = "auth with kind, user and password (docs/security.md)"
_MESSAGES = "options.messages, a table of message ids and how one goes on (docs/sap.md)"
MOVED: tuple[Moved, ...] = (
    Moved("PosterSettings", "systems.*.user", "0.1.0", _BASIC, "auth.user", {"auth.kind": "basic"}),
    Moved("PosterSettings", "systems.*.password", "0.1.0", _BASIC, "auth.password", {"auth.kind": "basic"}),
    Moved("PosterSettings", "systems.*.options.retry_codes", "0.1.0", _MESSAGES),
    Moved("PosterSettings", "systems.*.options.configuration_codes", "0.1.0", _MESSAGES),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A key of an older release in given settings.

    Args:
        place: Where it stood.
        text: What to do about it.
        goes_on: Whether the settings are used nevertheless.
        taken: Places that stand there because of it.
    """

    place: Place
    text: str
    goes_on: bool
    taken: tuple[Place, ...] = ()


def bring_up(model: type[BaseModel], values: dict[str, Any], table: Sequence[Moved] = MOVED) -> list[Found]:
    """Take over what can be taken over, within `values`, and take out what is known to be old.

    Args:
        model: Model of the whole file.
        values: Settings by name; changed.
        table: Keys of older releases.
    """
    names = {base.__name__ for base in model.__mro__}
    return [
        _settle(entry, section, (*at, name))
        for entry in table
        if entry.model in names
        for section, at, name in list(_sections(values, entry.key.split("."), ()))
    ]


def _sections(value: Any, keys: Sequence[str], at: Place) -> Iterator[tuple[dict[str, Any], Place, str]]:
    """Sections that hold the last of the keys."""
    head, rest = keys[0], keys[1:]
    if head == "*":
        for number, item in enumerate(value if isinstance(value, list) else ()):
            yield from _sections(item, rest, (*at, number))
    elif isinstance(value, dict) and head in value:
        if rest:
            yield from _sections(value[head], rest, (*at, head))
        else:
            yield value, at, head


def _settle(entry: Moved, section: dict[str, Any], place: Place) -> Found:
    value = section.pop(place[-1])
    since = f"is gone since release {entry.release}"
    if entry.ignored:
        return Found(place, f"{since} and has no effect: {entry.way}", goes_on=True)
    if entry.to is None:
        return Found(place, f"{since}; write instead: {entry.way}", goes_on=False)
    if not _put(section, entry.to, value):
        return Found(place, f"{since}, and {entry.to} is given as well; leave it out: {entry.way}", goes_on=False)
    added = [key for key, needed in entry.also.items() if _put(section, key, needed)]
    taken = tuple((*place[:-1], *key.split(".")) for key in (entry.to, *added))
    return Found(place, f"{since}; taken as {entry.to}; write instead: {entry.way}", goes_on=True, taken=taken)


def _put(section: dict[str, Any], key: str, value: Any) -> bool:
    """Whether the key was free."""
    *steps, last = key.split(".")
    for step in steps:
        inner = section.setdefault(step, {})
        if not isinstance(inner, dict):
            return False
        section = inner
    if last in section:
        return False
    section[last] = value
    return True


__all__ = ["MOVED", "Found", "Moved", "bring_up"]
