"""What else can be wrong with settings that their model takes: files, secrets, mappings, calendars, connectors.

Nothing is asked over the network and nothing is written; see `config_online` for what is reachable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dataflows.flow_settings import FlowSettings
from dataflows.parts import calendar_book
from millrace.errors import Misconfigured
from millrace.secret import Secret
from millrace.settings import PREFIX, Given
from schemas.mapping import load as load_mapping
from schemas.registry import FolderSchemas
from sinks.erp.registry import create
from sinks.erp.settings import PosterSettings

#: Places that a process makes itself.
MADE = frozenset({"history", "history_spool", "recovery"})
#: Variables that no settings model has a key for.
OTHER_VARIABLES = frozenset({"MILLRACE_LOG", "MILLRACE_LOG_FORMAT", "MILLRACE_FAILPOINT", "MILLRACE_CACHE"})
POSTER_PREFIX = f"{PREFIX}POST_"


def problems(given: Given[Any]) -> list[str]:
    """Each with file, line and field, in the order of the file."""
    settings = given.settings
    found = [*_files(settings, ())]
    if isinstance(settings, FlowSettings):
        found += _of_flow(settings)
    if isinstance(settings, PosterSettings):
        found += _of_poster(settings)
    told = sorted((given.file.line(place), ".".join(map(str, place)), text) for place, text in found)
    name = given.file.path or "environment"
    return [f"{name}:{line}: {field}: {text}" for line, field, text in dict.fromkeys(told)]


def unknown_variables(model: type[BaseModel], prefix: str, environment: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and set nothing."""
    known = tuple(f"{prefix}{name.upper()}" for name in model.model_fields)
    return [
        f"environment variable {name} sets nothing: there is no key {name.removeprefix(prefix).lower().split('__')[0]}"
        for name in sorted(environment)
        if name.startswith(prefix)
        and name not in OTHER_VARIABLES
        and (prefix == POSTER_PREFIX or not name.startswith(POSTER_PREFIX))
        and not any(name == key or name.startswith(f"{key}__") for key in known)
    ]


Problem = tuple[tuple[Any, ...], str]


def _files(value: Any, place: tuple[Any, ...]) -> Iterator[Problem]:
    """Files that are named and not there, and secrets that cannot be read."""
    if isinstance(value, Secret):
        yield from _tried(place, value.read)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name not in MADE:
                yield from _files(getattr(value, name), (*place, name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _files(item, (*place, name))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, item in enumerate(value):
            yield from _files(item, (*place, number))
    elif isinstance(value, Path) and not value.is_file():
        yield place, f"there is no file {value}"


def _of_flow(settings: FlowSettings) -> Iterator[Problem]:
    for topic, path in settings.mappings.items():
        if path.is_file():
            yield from _tried(("mappings", topic), lambda path=path: load_mapping(path))  # type: ignore[misc]
    if settings.calendar is not None and settings.calendar.is_file():
        yield from _tried(("calendar",), lambda: calendar_book(settings, FolderSchemas(), None))
    if settings.kafka is not None and settings.ledger is None and not settings.publish:
        yield ("flow",), "neither ledger nor publish is given: the flow would announce its documents nowhere"


def _of_poster(settings: PosterSettings) -> Iterator[Problem]:
    for number, system in enumerate(settings.systems):
        tried = _tried(("systems", number, "options"), lambda system=system: create(system.connector, system.options))  # type: ignore[misc]
        yield from tried


def _tried(place: tuple[Any, ...], use: Callable[[], Any]) -> Iterator[Problem]:
    try:
        use()
    except (Misconfigured, KeyError, TypeError, ValueError) as error:
        yield place, str(error)


__all__ = ["MADE", "OTHER_VARIABLES", "POSTER_PREFIX", "problems", "unknown_variables"]
