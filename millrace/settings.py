"""Settings: a YAML file, overridden by `MILLRACE_*` environment variables; unknown keys are refused by line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from millrace.errors import Misconfigured
from millrace.secret import keep_out_secrets, secrets_in_file
from millrace.settings_file import SettingsFile
from millrace.settings_moved import MOVED, Moved, bring_up

log = structlog.get_logger("millrace.settings")
Model = TypeVar("Model", bound=BaseModel)
Place = tuple[Any, ...]
PREFIX = "MILLRACE_"
#: What pydantic says in words of its own.
_PLAIN = {"missing": "is missing", "extra_forbidden": "unknown key"}


@dataclass(frozen=True, slots=True)
class Given(Generic[Model]):
    """Settings and where they come from.

    Args:
        settings: The settings.
        file: What the file says.
        variables: Environment variable by the place that it sets.
        taken: Place of a key of an older release by the place that took its value over.
        warnings: Keys of older releases that were taken over, each with file, line and the way on.
    """

    settings: Model
    file: SettingsFile
    variables: dict[Place, str]
    taken: dict[Place, Place]
    warnings: list[str]


def load(
    model: type[Model],
    path: Path | None,
    environment: Mapping[str, str] | None = None,
    *,
    prefix: str = PREFIX,
    warn: Callable[[str], None] | None = None,
) -> Model:
    """Settings of a flow or poster.

    Environment variables go before the file: `MILLRACE_KAFKA__BOOTSTRAP` sets `kafka.bootstrap`. A file that
    holds a secret itself (a password, or a URL with one) is refused. A key of an older release warns.

    Args:
        model: Settings model.
        path: YAML file; None takes the environment only.
        environment: Stands in for the process's environment.
        prefix: What the variables of this model begin with.
        warn: Takes each warning; the log, or standard error before there is one, when left out.

    Raises:
        Misconfigured: With file, line and field of everything that is wrong.
    """
    given = read(model, path, environment, prefix=prefix)
    for warning in given.warnings:
        (warn or _warn)(warning)
    return given.settings


def read(
    model: type[Model],
    path: Path | None,
    environment: Mapping[str, str] | None = None,
    *,
    prefix: str = PREFIX,
    moved: Sequence[Moved] = MOVED,
) -> Given[Model]:
    """The same with where each value comes from, and warnings returned.

    Raises:
        Misconfigured: With file, line and field of everything that is wrong.
    """
    given, problems = read_what_can_be(model, path, environment, prefix=prefix, moved=moved)
    if problems or given is None:
        raise Misconfigured("\n".join(problems))
    keep_out_secrets(given.settings)
    return given


def read_what_can_be(
    model: type[Model],
    path: Path | None,
    environment: Mapping[str, str] | None = None,
    *,
    prefix: str = PREFIX,
    moved: Sequence[Moved] = MOVED,
) -> tuple[Given[Model] | None, list[str]]:
    """The settings, and all that is wrong; of wrong ones those without the keys that are wrong, so as to go on looking.

    Raises:
        Misconfigured: The file is not there, or is no YAML.
    """
    file = SettingsFile.read(path)
    told = "holds a secret; give it by environment variable or in a file of its own"
    problems = [f"{file.where(at)}: {_dotted(at)}: {told}" for at in secrets_in_file(model, file.values)]
    values = _copy(file.values)
    variables = _override(model, values, os.environ if environment is None else environment, prefix)
    warnings: list[str] = []
    taken: dict[Place, Place] = {}
    for old in bring_up(model, values, moved):
        text = f"{_whence(file, variables, old.place)}: {_dotted(old.place)}: {old.text}"
        (warnings if old.goes_on else problems).append(text)
        taken.update(dict.fromkeys(old.taken, old.place))
    settings, wrong = _validated(model, values)
    problems += [_problem(file, variables, problem) for problem in wrong]
    return None if settings is None else Given(settings, file, variables, taken, warnings), problems


def _validated(model: type[Model], values: dict[str, Any]) -> tuple[Model | None, list[Any]]:
    """Settings, or what can be made of the keys that are right; and what is wrong."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        wrong = error.errors()
    named = {problem["loc"][0] for problem in wrong if problem["loc"]}
    try:
        return model.model_validate({name: value for name, value in values.items() if name not in named}), wrong
    except ValidationError:
        return None, wrong


def _copy(value: Any) -> Any:
    """A copy whose sections and lists can be changed; a YAML alias is one object at several places."""
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _override(
    model: type[BaseModel], values: dict[str, Any], environment: Mapping[str, str], prefix: str
) -> dict[Place, str]:
    found: dict[Place, str] = {}
    for name, text in environment.items():
        keys = name.removeprefix(prefix).lower().split("__")
        if not name.startswith(prefix) or keys[0] not in model.model_fields:
            continue
        place = values
        for key in keys[:-1]:
            if not isinstance(place.get(key), dict):
                place[key] = {}
            place = place[key]
        place[keys[-1]] = text
        found[tuple(keys)] = name
    return found


def _problem(file: SettingsFile, variables: Mapping[Place, str], problem: Any) -> str:
    told = _PLAIN.get(problem["type"]) or f"{problem['msg']} (got {type(problem['input']).__name__})"
    return f"{_whence(file, variables, problem['loc'])}: {_dotted(problem['loc'])}: {told}"


def _whence(file: SettingsFile, variables: Mapping[Place, str], place: Place) -> str:
    """The variable that set a place, else its line."""
    name = next((name for at, name in variables.items() if place[: len(at)] == at), None)
    if name is not None:
        return f"environment variable {name}"
    return file.where(place) if file.path else "environment:1"


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _warn(text: str) -> None:
    if structlog.is_configured():
        log.warning("setting_moved", detail=text)
    else:
        sys.stderr.write(f"millrace: warning: {text}\n")


__all__ = ["PREFIX", "Given", "load", "read", "read_what_can_be"]
