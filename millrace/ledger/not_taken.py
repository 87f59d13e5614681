"""Requests under a number that another request has: neither taken nor silent.

A request is one crossing. A flow whose state was lost while its topics no longer begin at their first record counts
crossings from 1 again, so that a new need comes under the number of an old one. By its version it might even replace
or withdraw that one, which procurement has; a person decides instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, select

from millrace.ledger import alerts
from millrace.ledger.requisition import KIND
from millrace.ledger.tables import documents
from millrace.ledger.text import load_quantities

_Row = Mapping[str, Any]
_COLUMNS = ("key", "sort_key", "revision", "reference_version", "quantities")
_AT_ONCE = 400


def keep_out(
    engine: Engine,
    connection: Connection,
    rows: Sequence[dict[str, Any]],
    now: int,
    who: str,
    answers_for: Callable[[str], str],
) -> list[dict[str, Any]]:
    """Rows of documents without requests whose number is another one's; each of these is one alert.

    A request is another one if it crossed at another instant, which is in its `sort_key`, or asks for another quantity
    in the same version.
    """
    known = _known(connection, [row["key"] for row in rows if row["kind"] == KIND])
    found = [(row, known[row["key"]]) for row in rows if row["key"] in known and _another(row, known[row["key"]])]
    told = [_alert(row, old, answers_for) for row, old in found]
    alerts.put(engine, connection, told, now, who, answers_for)
    refused = {row["key"] for row, _ in found}
    return [row for row in rows if row["key"] not in refused]


def _known(connection: Connection, keys: Sequence[str]) -> dict[str, _Row]:
    columns = [documents.c[name] for name in _COLUMNS]
    found: dict[str, _Row] = {}
    for first in range(0, len(keys), _AT_ONCE):
        wanted = documents.c.key.in_(keys[first : first + _AT_ONCE])
        found.update({row["key"]: dict(row) for row in connection.execute(select(*columns).where(wanted)).mappings()})
    return found


def _another(row: _Row, old: _Row) -> bool:
    same_version = all(row[name] == old[name] for name in ("revision", "reference_version"))
    return bool(row["sort_key"] != old["sort_key"] or (same_version and row["quantities"] != old["quantities"]))


def _alert(row: _Row, old: _Row, answers_for: Callable[[str], str]) -> alerts.Alert:
    new, held = row["sort_key"].partition("|")[0], old["sort_key"].partition("|")[0]
    return alerts.Alert(
        kind="request_not_taken",
        subject=row["key"],
        message=f"{row['key']}: the request of {new} for {_amount(row)} is not posted, since the ledger has "
        f"another one under its number, of {held} for {_amount(old)}; the flow may have lost its state. "
        "Order by hand what is missing",
        identity="\n".join([row["key"], new, *([row["quantities"]] if new == held else [])]),
        severity=alerts.CRITICAL,
        plant=row["plant"],
        owner=answers_for(row["kind"]),
        correlation_id=row["correlation_id"],
    )


def _amount(row: _Row) -> str:
    return str(load_quantities(row["quantities"]).get("quantity", "nothing"))


__all__ = ["keep_out"]
