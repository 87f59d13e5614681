"""Settings: a YAML file, overridden by `MILLRACE_*` environment variables; unknown keys are refused by line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from millrace.errors import Misconfigured

Model = TypeVar("Model", bound=BaseModel)


def load(
    model: type[Model],
    path: Path | None,
    environment: Mapping[str, str] | None = None,
    *,
    prefix: str = "MILLRACE_",
) -> Model:
    """Settings of a flow or poster.

    Environment variables go before the file: `MILLRACE_KAFKA__BOOTSTRAP` sets `kafka.bootstrap`.

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
    _override(model, values, os.environ if environment is None else environment, prefix)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_problem(path, node, problem) for problem in error.errors()]
        raise Misconfigured("\n".join(problems)) from None


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
    line = 1
    for key in problem["loc"]:
        found = _child(node, key)
        if found is None:
            break
        line, node = found
    where = ".".join(str(part) for part in problem["loc"])
    shown = "" if problem["type"] in ("missing", "extra_forbidden") else f" (got {type(problem['input']).__name__})"
    return f"{path or 'environment'}:{line}: {where}: {problem['msg']}{shown}"


def _child(node: yaml.Node | None, key: Any) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None
