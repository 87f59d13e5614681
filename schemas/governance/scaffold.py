"""`millrace contracts new`: a contract that lint accepts, to be filled with fields of its own."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from millrace.errors import Misconfigured
from schemas.contracts import Schema, contract
from schemas.governance import vocabulary as words
from schemas.governance.lint import lint_file


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new contract states.

    Args:
        name: Record name in PascalCase.
        doc: One sentence that says what a record stands for.
        owner: Team.
        tier: 1, 2 or 3.
        key: Field that keys the records; one of the common fields, until there are others.
        retention: Retention class.
        producers: kind:name.
        consumers: kind:name.
    """

    name: str
    doc: str
    owner: str
    tier: int = 3
    key: str = "source"
    retention: str = "operational"
    producers: Sequence[str] = ("system:mes",)
    consumers: Sequence[str] = ("team:analysts",)


def create(draft: Draft, folder: Path) -> Path:
    """Write the file of a new contract.

    Raises:
        Misconfigured: There is one of this name, or what the draft states breaks a rule; then there is no file.
    """
    path = folder / f"{draft.name}.avsc"
    if not words.PASCAL.fullmatch(draft.name):
        raise Misconfigured(f"NAME: {draft.name!r} should be in PascalCase, such as QualityEvent")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(_schema(draft), indent=2, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise Misconfigured(f"{path}: there is a contract of this name") from None
    findings = lint_file(path)
    if findings:
        path.unlink()
        raise Misconfigured("\n".join(f"{each.field or 'contract'}: {each.message}" for each in findings))
    return path


def _schema(draft: Draft) -> Schema:
    return {
        "type": "record",
        "name": draft.name,
        "namespace": "io.millrace.v1",
        "doc": draft.doc,
        "owner": draft.owner,
        "tier": draft.tier,
        "topic": re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", draft.name).lower(),
        "key": draft.key,
        "compacted": words.RETENTION.get(draft.retention, ("", 1))[1] is None,
        "partitioning": "key_hash",
        "retention": draft.retention,
        "personal_data": False,
        "producers": list(draft.producers),
        "consumers": list(draft.consumers),
        "fields": copy.deepcopy(contract("MachineCycle").schema["fields"][: len(words.COMMON_FIELDS)]),
    }
