"""Event ids for sources that give none: a hash of the columns that tell one event from another.

Two rows that are equal in all named columns get the same id and count as one event sent twice. Where a
source does write truly identical rows for distinct events, `repeated: occurrence` numbers them, and
`repeated: line` takes file and line into the id; the latter makes a row that stands in two overlapping
exports two events.
"""

from __future__ import annotations

from hashlib import blake2b

import polars as pl

from schemas.mapping.rules import Rule

#: Column that holds the running number of equal rows, when a rule asks for it.
OCCURRENCE = "_occurrence"
_END, _NULL = "\x1f", "\x00"


def hashed(frame: pl.DataFrame, rule: Rule, salt: str) -> pl.Series:
    """Ids of 32 hexadecimal digits; null where every named column is missing.

    Args:
        frame: Rows with the named columns, `_line`, and `_file` or OCCURRENCE where the rule needs them.
        rule: Names the columns and what equal rows are.
        salt: Names the output, so that two records of one row have different ids.
    """
    columns = [_part(name) for name in rule.hash_of or []]
    if rule.repeated == "occurrence":
        columns.append(_part(OCCURRENCE))
    elif rule.repeated == "line":
        columns += [_part(name) for name in ("_file", "_line") if name in frame.columns]
    absent = pl.all_horizontal(pl.col(name).is_null() for name in rule.hash_of or [])
    texts = frame.select(pl.when(~absent).then(pl.concat_str([pl.lit(salt + _END), *columns]))).to_series()
    # Polars' own hashes change between versions; an id has to outlive them.
    ids = [None if t is None else blake2b(t.encode(), digest_size=16).hexdigest() for t in texts.to_list()]
    return pl.Series("event_id", ids, dtype=pl.String)


def _part(name: str) -> pl.Expr:
    """A column's text with an end mark: `ab`,`c` and `a`,`bc` stay different, and so do missing and empty."""
    return pl.concat_str([pl.col(name).cast(pl.String).fill_null(_NULL), pl.lit(_END)])
