"""The settings in effect: each value with where it comes from, secrets left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from millrace.redact import MASK, redact
from millrace.settings import Given, Place

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Shown:
    """One value.

    Args:
        key: Its place, with dots; items of lists by number.
        value: As JSON has it, without secrets.
        whence: `default`, `FILE:LINE`, or the name of an environment variable.
    """

    key: str
    value: Any
    whence: str


def shown(given: Given[Any]) -> list[Shown]:
    """Every value of some settings, in the order of the model."""
    return [
        Shown(".".join(map(str, place)), redact.all_in(_plain(value)), _whence(given, place))
        for place, value in _leaves(given.settings, ())
    ]


def _leaves(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Values that are no sections; an empty list or section is a value itself."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _leaves(getattr(value, name), (*place, name))
    elif isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, (*place, name))
    elif isinstance(value, list | tuple) and any(isinstance(item, BaseModel | Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(item, (*place, number))
    else:
        yield place, value


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # Places, paths, decimals and the like are told as they are written.
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _whence(given: Given[Any], place: Place) -> str:
    for at, name in given.variables.items():
        if place[: len(at)] == at:
            return name
    for new, old in given.taken.items():
        if place[: len(new)] == new:
            return given.file.where(old)
    return given.file.where(place) if given.file.path is not None and given.file.holds(place) else DEFAULT


__all__ = ["DEFAULT", "Shown", "shown"]
