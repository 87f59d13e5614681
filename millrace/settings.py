"""Settings: a YAML file, overridden by `MILLRACE_*` environment variables; unknown keys are refused by line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from millrace.errors import Misconfigured
from millrace.secret import keep_out_secrets, secrets_in_file

Model = TypeVar("Model", bound=BaseModel)


def load(
    model: type[Model],
    path: Path | None,
    environment: Mapping[str, str] | None = None,
    *,
    prefix: str = "MILLRACE_",
) -> Model:
    """Settings of a flow or poster.

    Environment variables go before the file: `MILLRACE_KAFKA__BOOTSTRAP` sets `kafka.bootstrap`. A file that
    holds a secret itself (a password, or a URL with one) is refused.

    Args:
        model: Settings model.
        path: YAML file; None takes the environment only.
        environment: Stands in for the process's environment.
        prefix: What the variables of this model begin with.

    Raises:
        Misconfigured: With file, line and field of everything that is wrong.
    """
    text = _read(path) if path else ""
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise Misconfigured(f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise Misconfigured(f"{path}:1: expected settings by name, found {type(values).__name__}")
    _refuse_secrets(model, values, path, node)
    _override(model, values, os.environ if environment is None else environment, prefix)
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        problems = [_problem(path, node, problem) for problem in error.errors()]
        raise Misconfigured("\n".join(problems)) from None
    keep_out_secrets(settings)
    return settings


def _refuse_secrets(model: type[BaseModel], values: dict[str, Any], path: Path | None, node: yaml.Node | None) -> None:
    told = "holds a secret; give it by environment variable or in a file of its own"
    problems = [f"{path}:{_line(node, at)}: {'.'.join(map(str, at))}: {told}" for at in secrets_in_file(model, values)]
    if problems:
        raise Misconfigured("\n".join(problems))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: {error}") from error


def _override(model: type[BaseModel], values: dict[str, Any], environment: Mapping[str, str], prefix: str) -> None:
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


def _problem(path: Path | None, node: yaml.Node | None, problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    shown = "" if problem["type"] in ("missing", "extra_forbidden") else f" (got {type(problem['input']).__name__})"
    return f"{path or 'environment'}:{_line(node, problem['loc'])}: {where}: {problem['msg']}{shown}"


def _line(node: yaml.Node | None, place: Sequence[Any]) -> int:
    """Line of a place in the file, or of what is nearest above it."""
    line = 1
    for key in place:
        found = _child(node, key)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node | None, key: Any) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None
