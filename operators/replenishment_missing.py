"""Places whose stock lacks rows that were given up, until a balance of the ERP has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from operators.replenishment_rows import COUNTED, PLAIN, REVISED, effective
from operators.safety_stock import Place
from operators.stock import STOCK_KEY

#: Kinds of rows that a balance has: papers and demand it has not.
IN_BALANCES = (COUNTED, PLAIN, REVISED)


class Missing:
    """Newest time of what each place lacks, microseconds.

    Args:
        state: Of `snapshot`.
    """

    def __init__(self, state: Iterable[tuple[Place, int]] = ()) -> None:
        self._newest: dict[Place, int] = {(place[0], place[1], place[2]): at for place, at in state}

    def add(self, name: str, rows: pl.DataFrame) -> None:
        """Rows of a kind were given up."""
        if name not in IN_BALANCES or not rows.height:
            return
        for *place, at in rows.group_by(list(STOCK_KEY)).agg(effective(name).max().alias("at")).iter_rows():
            key = (place[0], place[1], place[2])
            self._newest[key] = max(self._newest.get(key, at), at)

    def counted(self, balances: pl.DataFrame) -> list[dict[str, Any]]:
        """Places (STOCK_KEY, `until`) that lack nothing any more: one of these balances counts all of it."""
        if not self._newest or not balances.height:
            return []
        told = balances.group_by(list(STOCK_KEY)).agg(pl.col("as_of").max().to_physical().alias("as_of"))
        healed = []
        for plant, material, location, as_of in told.sort(list(STOCK_KEY)).iter_rows():
            place = (plant, material, location)
            if place in self._newest and as_of >= self._newest[place]:
                until = self._newest.pop(place)
                healed.append({**dict(zip(STOCK_KEY, place, strict=True)), "until": until})
        return healed

    def snapshot(self) -> list[tuple[Place, int]]:
        """Plain values."""
        return sorted(self._newest.items())


def missing_key(row: Mapping[str, Any]) -> str | None:
    """Name of what a place lacks, for the letter of a row and its healing; None where a balance does not have it."""
    if row.get("rows", COUNTED) not in IN_BALANCES:
        return None
    parts = (str(row[name]).replace("%", "%25").replace("|", "%7C") for name in STOCK_KEY)
    return "|".join(["stock", *parts])


__all__ = ["IN_BALANCES", "Missing", "missing_key"]
