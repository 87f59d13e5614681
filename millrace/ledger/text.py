"""How quantities and attributes are written into text columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode

Quantities = dict[str, Decimal]


def dump_quantities(quantities: Mapping[str, Decimal]) -> str:
    """JSON object of decimal strings; a decimal never passes through a float."""
    return _encode({name: str(value) for name, value in quantities.items()})


def load_quantities(written: str) -> Quantities:
    """Inverse of `dump_quantities`."""
    return {name: Decimal(value) for name, value in json.loads(written).items()}


def dump_json(value: object) -> str:
    """JSON with sorted keys, so that equal content is equal text."""
    return _encode(value)


def load_json(written: str) -> Any:
    """Inverse of `dump_json`."""
    return json.loads(written)


def payload_hash(*parts: str) -> str:
    """Short digest of a document's content: shows whether two revisions say the same."""
    return blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()


def add(left: Mapping[str, Decimal], right: Mapping[str, Decimal]) -> Quantities:
    """Sum by name, without the names that come to zero."""
    names = [*left, *(name for name in right if name not in left)]
    total = {name: left.get(name, Decimal(0)) + right.get(name, Decimal(0)) for name in names}
    return {name: value for name, value in total.items() if value}
