"""Places whose stock lacks rows that were given up, until a balance of the ERP has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import polars as pl

from operators.replenishment_rows import COUNTED, MOVEMENTS, PLAIN, REVISED, effective
from operators.safety_stock import Place
from operators.stock import STOCK_KEY

#: Kinds of rows that a balance has: papers and demand it has not.
IN_BALANCES = (COUNTED, MOVEMENTS, PLAIN, REVISED)


class Missing:
    """Newest time of what each place lacks, microseconds, and how many rows that is.

    Args:
        state: Of `snapshot`; an older release knows no numbers, and no such place is taken back.
    """

    def __init__(self, state: Iterable[tuple[Any, ...]] = ()) -> None:
        self._newest: dict[Place, int] = {}
        self._rows: dict[Place, int] = {}
        for (plant, material, location), at, *rows in state:
            place = (plant, material, location)
            self._newest[place], self._rows[place] = at, rows[0] if rows else -1

    def add(self, name: str, rows: pl.DataFrame) -> None:
        """Rows of a kind were given up."""
        if name not in IN_BALANCES or not rows.height:
            return
        counted = rows.group_by(list(STOCK_KEY)).agg(effective(name).max().alias("at"), pl.len().alias("rows"))
        for *place, at, number in counted.iter_rows():
            key = (place[0], place[1], place[2])
            self._newest[key] = max(self._newest.get(key, at), at)
            self._rows[key] = self._rows.get(key, 0) + number

    def places(self, materials: Collection[tuple[str, str]]) -> list[tuple[Place, int]]:
        """Places of some materials (plant, material) with the number of rows that they lack."""
        mine = [(place, rows) for place, rows in self._rows.items() if place[:2] in materials and rows > 0]
        return sorted(mine)

    def found(self, place: Place) -> dict[str, Any]:
        """A place lacks nothing any more; STOCK_KEY and `until`."""
        del self._rows[place]
        return {**dict(zip(STOCK_KEY, place, strict=True)), "until": self._newest.pop(place)}

    def counted(self, balances: pl.DataFrame) -> list[dict[str, Any]]:
        """Places (STOCK_KEY, `until`) that lack nothing any more: one of these balances counts all of it."""
        if not self._newest or not balances.height:
            return []
        told = balances.group_by(list(STOCK_KEY)).agg(pl.col("as_of").max().to_physical().alias("as_of"))
        healed = []
        for plant, material, location, as_of in told.sort(list(STOCK_KEY)).iter_rows():
            place = (plant, material, location)
            if place in self._newest and as_of >= self._newest[place]:
                healed.append(self.found(place))
        return healed

    def snapshot(self) -> list[tuple[Place, int, int]]:
        """Plain values."""
        return [(place, at, self._rows[place]) for place, at in sorted(self._newest.items())]


def missing_key(row: Mapping[str, Any]) -> str | None:
    """Name of what a place lacks, for the letter of a row and its healing; None where a balance does not have it."""
    if row.get("rows", COUNTED) not in IN_BALANCES:
        return None
    parts = (str(row[name]).replace("%", "%25").replace("|", "%7C") for name in STOCK_KEY)
    return "|".join(["stock", *parts])


__all__ = ["IN_BALANCES", "Missing", "missing_key"]
