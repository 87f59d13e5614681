"""From the mapping file to a checked mapping, with errors that name file, line and field."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from millrace.errors import Misconfigured
from schemas.mapping import checks, document
from schemas.mapping.document import Document, Place
from schemas.mapping.model import Mapping


def load(path: str | Path) -> Mapping:
    """Read and check a mapping file.

    Raises:
        Misconfigured: The file cannot be read or is wrong; every finding stands on a line `file:line:
            field: what`.
    """
    return from_document(document.read(path))


def loads(text: str, path: str = "mapping") -> Mapping:
    """Check the text of a mapping file; `path` is only named in errors.

    Raises:
        Misconfigured: As for `load`.
    """
    return from_document(document.parse(text, path))


def from_document(found: Document) -> Mapping:
    """Check a parsed mapping file."""
    try:
        mapping = Mapping.model_validate(found.data)
    except ValidationError as error:
        raise Misconfigured("\n".join(_sentences(error, found))) from error
    wrong = [found.error(place, message) for place, message in checks.findings(mapping)]
    if wrong:
        raise Misconfigured("\n".join(dict.fromkeys(wrong)))
    return mapping


def _sentences(error: ValidationError, found: Document) -> list[str]:
    """One sentence per finding, each place cut down to what is written in the file."""
    return list(dict.fromkeys(_sentence(dict(each), found) for each in error.errors(include_url=False)))


def _sentence(each: dict[str, Any], found: Document) -> str:
    place = _written(each["loc"], found)
    if each["type"] == "extra_forbidden":
        return found.error(place, f"unknown key{_nearest(str(place[-1]))}")
    if each["type"] == "missing":
        return found.error((*place, each["loc"][-1]), "is missing")
    return found.error(place, str(each["msg"]).removeprefix("Value error, "))


def _written(loc: tuple[str | int, ...], found: Document) -> Place:
    """Pydantic names union branches in its places; only keys and indexes of the file are kept."""
    place: Place = ()
    for part in loc:
        if (*place, part) in found.lines:
            place = (*place, part)
    return place


def _nearest(name: str) -> str:
    known = {field.alias or key for model in _models() for key, field in model.model_fields.items()}
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; is '{near[0]}' meant?" if near else ""


def _models() -> list[type[BaseModel]]:
    from schemas.mapping.reference import MODELS  # noqa: PLC0415  # the reference describes what loading checks

    return list(MODELS.values())
