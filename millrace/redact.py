"""Takes secrets out of texts before they are stored, logged or shown.

Two nets: values that this process has read as secrets, in the forms in which another system may echo them, and
the shapes in which credentials travel (headers, URLs, JSON and form fields), whoever's they are.
"""

from __future__ import annotations

import html
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
#: Shorter values are not searched for: they would blot out ordinary words and numbers.
SHORTEST = 6
#: Most values of tokens and cookies that are remembered; they change all the time, secrets do not.
_MOST_PASSING = 256

_HEADERS = r"(?:proxy-)?authorization|set-cookie|cookie|x-csrf-token|x-api-key"
_FIELDS = (
    r"api[-_]?key|(?:access|refresh|id|auth|csrf|session)[-_]?token|client[-_]?secret|client[-_]?assertion|"
    r"password|passwd|passphrase|pwd|secret|token"
)
_QUOTED = r"\"[^\"]*\"?|'[^']*'?"
_WORD = r"[^\s&,;<\"']+"
_SHAPES = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (rf"\b({_HEADERS})([\"']?\s*[:=]\s*)(?:{_QUOTED}|(?:basic|bearer|negotiate)\s+\S+|{_WORD})", rf"\1\2{MASK}"),
        (rf"\b({_FIELDS})([\"']?\s*[:=]\s*)(?:{_QUOTED})", rf"\1\2{MASK}"),
        (rf"\b({_FIELDS})([\"']?\s*=\s*){_WORD}", rf"\1\2{MASK}"),
        # "password: expired" is said of a password; "password: k3y" is one.
        (rf"\b({_FIELDS})(\s*:\s*)(?=[^\s&,;<\"']*[^a-z\s&,;<\"':.!]){_WORD}", rf"\1\2{MASK}"),
        (r"\b(bearer)\s+[a-z0-9._~+/=-]{16,}", rf"\1 {MASK}"),
        (r"(://[^/\s:@]*):[^/\s@]+@", rf"\1:{MASK}@"),
    )
)


class Redactor:
    """Values to keep out of texts, and the texts without them.

    Args:
        active: Off only in the negative control that shows what it is good for.
    """

    def __init__(self, *, active: bool = True) -> None:
        self.active = active
        self._lasting: set[str] = set()
        self._passing: OrderedDict[str, None] = OrderedDict()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def keep_out(self, value: str, *, passing: bool = False) -> None:
        """Remember a secret. A `passing` one (token, cookie) is forgotten when many newer ones have come."""
        if len(value) < SHORTEST or value in self._lasting or value in self._passing:
            return
        with self._lock:
            if passing:
                self._passing[value] = None
                if len(self._passing) > _MOST_PASSING:
                    self._passing.popitem(last=False)
            else:
                self._lasting.add(value)
            forms = {form for known in (*self._lasting, *self._passing) for form in _forms(known)}
            self._pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        if not self.active:
            return text
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        for shape, replacement in _SHAPES:
            text = shape.sub(replacement, text)
        return text

    def all_in(self, value: Any) -> Any:
        """The same for every text in a nested value."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {name: self.all_in(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.all_in(item) for item in value]
        return value


def _forms(value: str) -> set[str]:
    """How a value looks as it is, in a URL, in JSON and in HTML."""
    escaped = json.dumps(value)[1:-1]
    return {value, quote(value, safe=""), quote(value), quote_plus(value), escaped, html.escape(value)}


#: The process's own.
redact = Redactor()
