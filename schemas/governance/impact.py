"""Who feels a change of a field: flows, columns of the history, and the code that names it.

Flows and history are what the contract declares. The code is found by looking for the field's name among the texts of
the rules, sinks and flows of this installation: too much rather than too little, since several contracts share names.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from schemas.contracts import Schema

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("dataflows", "operators", "sinks")
#: Most modules that one refusal names.
_SHOWN = 4


def impact(schema: Schema, field: str) -> list[str]:
    """Consumers of a field, one text each.

    Args:
        schema: Contract whose readers are meant.
        field: Path of the field; empty for the whole contract.
    """
    return [_told(consumer, schema, field) for consumer in schema.get("consumers", ())]


def _told(consumer: str, schema: Schema, field: str) -> str:
    kind = consumer.partition(":")[0]
    top = field.split(".", maxsplit=1)[0]
    if kind == "history":
        column = f"column {schema.get('topic')}.{top}" if top else f"every column of {schema.get('topic')}"
        return f"{consumer} ({column})"
    if kind == "flow" and top:
        modules = _modules().get(field.rsplit(".", 1)[-1]) or _modules().get(top) or []
        more = ", ..." if len(modules) > _SHOWN else ""
        return f"{consumer} ({', '.join(modules[:_SHOWN])}{more})" if modules else consumer
    return consumer


@cache
def _modules() -> Mapping[str, list[str]]:
    """Modules by the texts that they contain."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(each for package in _PACKAGES for each in (_ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        for text in texts:
            found[text].append(path.relative_to(_ROOT).as_posix())
    return found
