"""A mapping file as plain data that remembers its lines.

Every scalar stays the text that was written: YAML 1.1 would read the operation `0010` as the number 8, the
status word `NO` as false and the shift `6:00` as 360. The model decides what a text means, never the parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from millrace.errors import Misconfigured

Node = str | list["Node"] | dict[str, "Node"]
Place = tuple[str | int, ...]

_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed mapping file.

    Args:
        path: File as named by the caller.
        data: Its content; mappings, lists and texts only.
        lines: Line (from 1) of each place, a place being the keys and list indexes that lead there.
    """

    path: str
    data: dict[str, Node]
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """Line of a place, or of the nearest place around it that is written."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def error(self, place: Place, message: str) -> str:
        """One sentence that names file, line and field."""
        field = ".".join(str(part) for part in place) or "mapping"
        return f"{self.path}:{self.line(place)}: {field}: {message}"


def read(path: str | Path) -> Document:
    """Parse a mapping file.

    Raises:
        Misconfigured: The file is missing, is no YAML, writes a key twice or uses tags; file and line are
            named.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}:1: mapping: cannot be read: {error.strerror}") from error
    if len(raw) > _LIMIT:
        raise Misconfigured(f"{path}:1: mapping: larger than {_LIMIT} bytes")
    return parse(raw, str(path))


def parse(raw: bytes | str, path: str) -> Document:
    """Parse the content of a mapping file; `path` is only named in errors."""
    loader = yaml.BaseLoader(raw)
    try:
        root = loader.get_single_node()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Misconfigured(_syntax_error(path, error)) from error
    finally:
        loader.dispose()
    if not isinstance(root, yaml.MappingNode):
        raise Misconfigured(f"{path}:1: mapping: must be a YAML mapping of keys to values")
    lines: dict[Place, int] = {}
    data = _value(root, (), lines, path, depth=0)
    return Document(path, data if isinstance(data, dict) else {}, lines)


def _syntax_error(path: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 1
    return f"{path}:{line}: mapping: is not valid YAML: {getattr(error, 'problem', None) or error}"


def _value(node: yaml.Node, place: Place, lines: dict[Place, int], path: str, depth: int) -> Node:
    """Turn a YAML node into plain data; aliases are followed, their depth is bounded."""
    line = node.start_mark.line + 1
    lines.setdefault(place, line)
    if depth > 20:
        raise Misconfigured(f"{path}:{line}: {'.'.join(map(str, place))}: nested more than 20 levels deep")
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*place, i), lines, path, depth + 1) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, lines, path, depth)
    return str(node.value)


def _mapping(node: yaml.MappingNode, place: Place, lines: dict[Place, int], path: str, depth: int) -> dict[str, Node]:
    out: dict[str, Node] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        field = ".".join(map(str, place)) or "mapping"
        if not isinstance(key_node, yaml.ScalarNode):
            raise Misconfigured(f"{path}:{line}: {field}: a key must be a plain text")
        key = str(key_node.value)
        if key in out:
            raise Misconfigured(f"{path}:{line}: {field}: the key '{key}' is written twice")
        lines[(*place, key)] = line
        out[key] = _value(value_node, (*place, key), lines, path, depth + 1)
    return out
