"""Any text in PostgreSQL, which refuses the character NUL: it is written as an escape, and read back as it was.

A record may hold any character in its names and texts, and its dead letter has to be stored all the same. SQLite keeps
NUL as it is. The escape is DLE (data link escape, U+0010), which is doubled where it stands for itself.
"""

from __future__ import annotations

import re
from typing import Any

from psycopg import Connection
from psycopg.types.string import StrDumperUnknown, TextLoader

_NUL, _DLE, _NUL_ESCAPED = "\x00", "\x10", "\x100"


def escaped(text: str) -> str:
    """The text without NUL."""
    if _NUL not in text and _DLE not in text:
        return text
    return text.replace(_DLE, _DLE * 2).replace(_NUL, _NUL_ESCAPED)


def plain(text: str) -> str:
    """Inverse of `escaped`. A lone escape, as a version without escapes may have left it, stays as it is."""
    if _DLE not in text:
        return text
    return re.sub("\x10([\x100])", lambda found: _NUL if found[1] == "0" else _DLE, text)


class _Dumper(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(escaped(obj))


class _Loader(TextLoader):
    def load(self, data: Any) -> Any:
        text = super().load(data)
        return plain(text) if isinstance(text, str) else text


def allow_any_text(connection: Connection[Any]) -> None:
    """Have a connection write and read texts of any characters."""
    connection.adapters.register_dumper(str, _Dumper)
    for kind in ("text", "varchar"):
        connection.adapters.register_loader(kind, _Loader)


__all__ = ["allow_any_text", "escaped", "plain"]
