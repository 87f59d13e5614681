"""JSON with the line of every value, so that an error in a contract says where it stands.

The standard parser tells positions only of what is no JSON. This one keeps them for what is JSON and wrong, and it
refuses a key that is given twice, which the standard parser lets the last one win.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from millrace.errors import Misconfigured

#: Where a value lies: keys and indices from the root.
Place = tuple[str | int, ...]
_BLANK = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DECODER = json.JSONDecoder()
#: Deeper nesting is no contract; it would exhaust the stack.
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Located:
    """A document and where its values begin.

    Args:
        path: File it was read from.
        value: The parsed document.
        lines: Line (from 1) of each value by its place; of a key's value that is the line of the key.
    """

    path: Path
    value: Any
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """Line of a value, or of the nearest one around it where it is missing."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read(path: Path) -> Located:
    """Parse a file.

    Raises:
        Misconfigured: It cannot be read or is no JSON; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}:1: {error}") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Located:
    """Parse a text as if it stood in the file, see `read`."""
    parser = _Parser(text)
    try:
        value = parser.value((), 0)
        if parser.at < len(text):
            raise ValueError("something follows the document")
    except ValueError as wrong:
        raise Misconfigured(f"{path}:{parser.line()}: {wrong}") from None
    return Located(path, value, parser.lines)


@dataclass(slots=True)
class _Parser:
    text: str
    at: int = 0
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def value(self, place: Place, depth: int) -> Any:
        """One value and the blanks around it."""
        self._blanks()
        self.lines.setdefault(place, self.line())
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        match self.text[self.at : self.at + 1]:
            case "{":
                found: Any = self._object(place, depth)
            case "[":
                found = self._array(place, depth)
            case '"':
                found = self._string()
            case _:
                found = self._scalar()
        self._blanks()
        return found

    def _object(self, place: Place, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not self._closed("}", first=not members):
            self._blanks()
            line, key = self.line(), self._string()
            if key in members:
                raise ValueError(f"the key {key!r} is given twice")
            self._blanks()
            self._expect(":")
            self.lines[(*place, key)] = line
            members[key] = self.value((*place, key), depth + 1)
        return members

    def _array(self, place: Place, depth: int) -> list[Any]:
        items: list[Any] = []
        while not self._closed("]", first=not items):
            items.append(self.value((*place, len(items)), depth + 1))
        return items

    def _closed(self, end: str, *, first: bool) -> bool:
        """Step over the opening bracket, a comma, or the closing bracket."""
        if first:
            self.at += 1
            self._blanks()
        if self.text.startswith(end, self.at):
            self.at += 1
            return True
        if not first:
            self._expect(",")
        return False

    def _string(self) -> str:
        if not self.text.startswith('"', self.at):
            raise ValueError("a text in double quotes is expected")
        try:
            found, self.at = _DECODER.raw_decode(self.text, self.at)
        except ValueError as error:
            raise ValueError(f"a text that is no JSON: {str(error).partition(':')[0]}") from None
        return str(found)

    def _scalar(self) -> Any:
        found = _SCALAR.match(self.text, self.at)
        if found is None:
            raise ValueError("a value is expected")
        self.at = found.end()
        return json.loads(found.group())

    def _blanks(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise ValueError(f"{mark!r} is expected")
        self.at += 1
