"""A settings file with the line of each of its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from millrace.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a YAML file says.

    Args:
        path: The file; None where there is none.
        values: Its keys and values.
        node: The same as YAML nodes, which know their lines.
    """

    path: Path | None
    values: dict[str, Any]
    node: yaml.Node | None

    @classmethod
    def read(cls, path: Path | None) -> SettingsFile:
        """Read a file; None stands for an empty one.

        Raises:
            Misconfigured: It is not there, is not UTF-8, is no YAML, or holds no names.
        """
        text = _text(path) if path else ""
        try:
            node = yaml.compose(text, yaml.SafeLoader)
            values = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise Misconfigured(_no_yaml(path, error)) from error
        if not isinstance(values, dict):
            raise Misconfigured(f"{path}:1: expected settings by name, found {type(values).__name__}")
        return cls(path, values, node)

    def line(self, place: Sequence[Any]) -> int:
        """Line of a place, or of what is nearest above it."""
        line, _ = self._nearest(place)
        return line

    def holds(self, place: Sequence[Any]) -> bool:
        """Whether the file itself says something about exactly this place."""
        _, depth = self._nearest(place)
        return depth == len(place)

    def where(self, place: Sequence[Any]) -> str:
        """`file:line` of a place."""
        return f"{self.path}:{self.line(place)}"

    def _nearest(self, place: Sequence[Any]) -> tuple[int, int]:
        line, depth, node = 1, 0, self.node
        for key in place:
            found = _child(node, key)
            if found is None:
                break
            line, node = found
            depth += 1
        return line, depth


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}: is not UTF-8: {error.reason} at byte {error.start}") from error


def _no_yaml(path: Path | None, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 1
    return f"{path}:{line}: is not valid YAML: {getattr(error, 'problem', None) or error}"


def _child(node: yaml.Node | None, key: Any) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(key):
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line + 1, node.value[key]
    return None
