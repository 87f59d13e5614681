"""Which columns of the history name a person, and rows without that name.

A field is personal when its contract's `doc` says so. What is erased becomes `erased`, the same for everybody: the row
with its quantities stays, and nothing tells two erased persons apart. In dead letters the name is inside the payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import polars as pl

from schemas.contracts import contracts

ERASED = "erased"
_SAYS_SO = "personal data"
#: Personal by what they are, though their `doc` has other words for it.
_BESIDE = frozenset({"approved_by"})
_PAYLOAD, _DETAIL = "payload", "detail"


@cache
def personal_columns() -> frozenset[str]:
    """Columns that hold a person's number or name, in whatever topic they stand."""
    fields = (field for each in contracts().values() for field in each.schema["fields"])
    return frozenset(field["name"] for field in fields if _SAYS_SO in field["doc"]) | _BESIDE


def concerned(columns: Iterable[str]) -> list[str]:
    """Those of some columns that may name a person, alone or with others."""
    present = set(columns)
    return sorted(present & personal_columns()) + [
        name for name in (_PAYLOAD, _DETAIL) if {_PAYLOAD, _DETAIL} <= present
    ]


def erase(rows: pl.DataFrame, person: str | None) -> tuple[pl.DataFrame, int]:
    """Rows without a person, and how many of them changed.

    Args:
        rows: Rows of a file.
        person: As the events name the person; None erases everybody, but leaves payloads alone.
    """
    mine = _mine(rows, person)
    changes = [pl.when(mask).then(pl.lit(ERASED)).otherwise(pl.col(name)).alias(name) for name, mask in mine.items()]
    hit = list(mine.values())
    if person is not None and {_PAYLOAD, _DETAIL} <= set(rows.columns):
        inside = pl.Series([holds(payload, person) for payload in rows[_PAYLOAD]], dtype=pl.Boolean)
        changes += [
            pl.when(inside).then(pl.lit(b"")).otherwise(pl.col(_PAYLOAD)).alias(_PAYLOAD),
            pl.when(inside)
            .then(pl.col(_DETAIL).str.replace_all(person, ERASED, literal=True))
            .otherwise(_DETAIL)
            .alias(_DETAIL),
        ]
        hit.append(pl.lit(inside))
    if not hit:
        return rows, 0
    count = int(rows.select(pl.any_horizontal(hit).sum()).item() or 0)
    return (rows.with_columns(changes), count) if count else (rows, 0)


def _mine(rows: pl.DataFrame, person: str | None) -> dict[str, pl.Expr]:
    columns = [name for name in rows.columns if name in personal_columns() and rows.schema[name] == pl.String]
    return {name: pl.col(name) == person if person is not None else pl.col(name) != ERASED for name in columns}


def holds(payload: bytes | None, person: str) -> bool:
    """Whether a record as it was read names a person: as a string of Avro, or as a word of JSON, CSV or XML."""
    return payload is not None and _pattern(person).search(payload) is not None


@cache
def _pattern(person: str) -> re.Pattern[bytes]:
    text = person.encode()
    word = rb"(?<![\w.-])" + re.escape(text) + rb"(?![\w.-])"
    return re.compile(re.escape(_length(len(text)) + text) + rb"|" + word)


def _length(size: int) -> bytes:
    """Length of a string in Avro: zigzag, seven bits a byte."""
    rest, found = size << 1, bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*found, rest])
