"""Rows of a shard in the base unit of their material; those of a material that is not known yet wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import polars as pl

from operators.base_units import in_base_unit
from operators.frames import from_bytes, to_bytes
from operators.references import Conversions
from operators.replenishment_missing import Missing, missing_key
from operators.replenishment_recall import Recall, taken_back
from operators.replenishment_rows import ROWS, effective
from operators.screen import NO_PROGRESS
from operators.stock import MOST, STOCK_KEY

_EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
_SIX = Decimal("0.000001")
_MATERIAL = ["plant", "material"]
_BASES = {"plant": pl.String(), "material": pl.String(), "base_unit": pl.String()}
_TOLD_MATERIALS = 100
_PAPER = ["plant", "purchase_order", "purchase_order_item", "kind", "record_id", "revision"]
#: Converted to tell a ratio of units: neither it nor what it is in another unit is rounded to speak of.
_MANY = Decimal(10) ** 6


@dataclass(slots=True)
class BaseUnits:
    """Materials, and rows that wait for one.

    Args:
        most: Rows of a kind that may wait; the oldest beyond that are given up, each by a dead letter.
        ask: Reads these letters, so that the rows count when their material comes.
        is_kept: Whether something of a material (plant, material) is kept in its base unit.
        lost: Rows that were given up.
        changed: Other rows wait than when `unknown` was last asked.
        newest: Latest time of a row that waited, microseconds.
        missing: Places that lack rows that were given up.
    """

    most: int
    ask: Recall | None = None
    is_kept: Callable[[str, str], bool] = lambda _plant, _material: True
    lost: int = 0
    changed: bool = False
    newest: int = NO_PROGRESS
    missing: Missing = field(default_factory=Missing)
    _conversions: Conversions = field(default_factory=Conversions)
    _bases: pl.DataFrame | None = None
    _waiting: dict[str, pl.DataFrame] = field(default_factory=dict)
    _given_up: list[dict[str, Any]] = field(default_factory=list)
    _healed: list[dict[str, Any]] = field(default_factory=list)
    _known_anew: set[tuple[str, str]] = field(default_factory=set)
    _refused: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)

    def put(self, materials: Iterable[Mapping[str, Any]]) -> dict[str, pl.DataFrame]:
        """Take records of Material; returns the rows by kind that need wait no longer."""
        materials = list(materials)
        for record in materials:
            self._take(dict(record))
        self._bases = None
        self._known_anew |= {(record["plant"], record["material"]) for record in materials}
        waiting, self._waiting = self._waiting, {}
        self.changed = self.changed or bool(waiting)
        return {name: self.convert(name, rows) for name, rows in waiting.items()}

    def _take(self, record: dict[str, Any]) -> None:
        """The base unit of a material that stock is kept of stays; its newest version says whether that can be told."""
        key = (record["plant"], record["material"])
        known, was = self._conversions.materials.get(key), self._refused.get(key)
        changes = known is not None and known["base_unit"] != record["base_unit"]
        if changes and not self.is_kept(*key):
            self._conversions.put(record)
            told = True
        else:
            told = self._conversions.put_kept(record)
        if was is None or record["version"] >= was[1]:
            self._refused.pop(key, None)
            if not told:
                self._refused[key] = (record["base_unit"], record["version"])
        self.changed = self.changed or was != self._refused.get(key)

    def convert(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of a kind in the base unit; the others are kept."""
        if not rows.height:
            return rows
        # A paper without a quantity has no unit.
        same = (pl.col("unit") == self._unit_of(rows)).fill_null(value=False) | pl.col("unit").is_null()
        are_same = rows.select(same.alias("same"))["same"]
        if are_same.all():
            return rows
        plain, other = rows.filter(are_same), rows.filter(~are_same)
        good, stuck = in_base_unit(other, self._conversions, ROWS[name][1])
        if stuck.height:
            self._wait(name, stuck)
        return pl.concat([plain, self._priced(good, other) if "price" in good.columns else good])

    def _priced(self, rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
        """Prices per base unit: what a row costs stays the same, also one of nothing, such as a cancelled order."""
        units = {tuple(row[name] for name in _PAPER): row["unit"] for row in before.to_dicts()}
        found = rows.to_dicts()
        for row in found:
            if row["price"] is not None:
                unit = units[tuple(row[name] for name in _PAPER)]
                many = self._conversions.convert(row["plant"], row["material"], _MANY, unit, row["unit"])
                exact = _EXACT.divide(_EXACT.multiply(row["price"], _MANY), many) if many else MOST
                row["price"] = exact.quantize(_SIX, context=_EXACT) if exact < MOST else None
        return pl.DataFrame(found, schema=rows.schema, orient="row")

    def _unit_of(self, rows: pl.DataFrame) -> pl.Series:
        """Base unit per row, null where the material is not known."""
        plant, known = rows["plant"][0], self._base_units()
        if (rows["plant"] != plant).any():
            return rows.select(_MATERIAL).join(known, on=_MATERIAL, how="left", maintain_order="left")["base_unit"]
        # Mostly all is of one plant: a join by one column is the cheaper one.
        of_plant = known.filter(pl.col("plant") == plant).drop("plant")
        return rows.select("material").join(of_plant, on="material", how="left", maintain_order="left")["base_unit"]

    def _base_units(self) -> pl.DataFrame:
        if self._bases is None:
            rows = [(*key, known["base_unit"]) for key, known in self._conversions.materials.items()]
            self._bases = pl.DataFrame(rows, schema=_BASES, orient="row")
        return self._bases

    def _wait(self, name: str, rows: pl.DataFrame) -> None:
        known = self._waiting.get(name, rows.clear())
        every = pl.concat([known, rows])
        gone = every.head(max(0, every.height - self.most))
        self.lost += gone.height
        self.missing.add(name, gone)
        tagged = gone.with_columns(effective(name).alias("at"))
        self._given_up += [{"rows": name, **row} for row in tagged.to_dicts()]
        self._waiting[name] = every.tail(self.most)
        self.newest = max(self.newest, rows.select(effective(name).max()).item())
        self.changed = True

    def told(self) -> list[dict[str, Any]]:
        """Since the last time: rows `given_up`, with their kind as `rows` and their time as `at`; places `healed`."""
        given, self._given_up, healed, self._healed = self._given_up, [], self._healed, []
        return [*({"given_up": row} for row in given), *({"healed": place} for place in healed)]

    def converted(self, fresh: Mapping[str, list[pl.DataFrame]]) -> Iterator[tuple[str, pl.DataFrame]]:
        """Rows by kind in the base unit, as `convert`; and those that were given up and whose material has come."""
        for name, frames in fresh.items():
            yield name, self.convert(name, pl.concat(frames))
        if self.ask is not None and self._known_anew:
            yield from self._recalled(self.ask)

    def _recalled(self, ask: Recall) -> Iterator[tuple[str, pl.DataFrame]]:
        """Letters may come a moment after their material: until all of a place are there it is asked for again."""
        wanted = self.missing.places(self._known_anew)
        self._known_anew &= {(place[0], place[1]) for place, _ in wanted}
        keys = {place: str(missing_key(dict(zip(STOCK_KEY, place, strict=True)))) for place, _ in wanted}
        letters = ask(list(keys.values())) if keys else {}
        for place, number in wanted:
            payloads = letters.get(keys[place], ())
            if len(payloads) < number:
                continue
            back = {name: in_base_unit(f, self._conversions, ROWS[name][1]) for name, f in taken_back(payloads).items()}
            if any(stuck.height for _, stuck in back.values()):
                continue  # another version of the material may convert them
            yield from ((name, good) for name, (good, _) in back.items())
            self._healed.append(self.missing.found(place))

    def waiting(self) -> list[dict[str, Any]]:
        """Rows that still wait, as `given_up`: at the end of a finite input nothing comes that they could wait for."""
        frames = {name: rows.with_columns(effective(name).alias("at")) for name, rows in self._waiting.items()}
        return [{"rows": name, **row} for name, rows in frames.items() for row in rows.to_dicts()]

    def unknown(self) -> list[dict[str, Any]]:
        """Conditions: materials and units that rows wait for, and base units that cannot be taken over."""
        self.changed = False
        refused = [
            _base_changed(*key, self._conversions.materials[key]["base_unit"], unit)
            for key, (unit, _) in sorted(self._refused.items())
        ]
        rows = [frame.select(*_MATERIAL, "unit") for frame in self._waiting.values() if frame.height]
        if not rows:
            return refused
        counted = pl.concat(rows).group_by(*_MATERIAL, "unit").agg(pl.len().alias("rows")).sort(*_MATERIAL, "unit")
        return [*refused, *(_unknown(row, self.lost) for row in counted.head(_TOLD_MATERIALS).to_dicts())]

    def snapshot(self) -> dict[str, Any]:
        """Plain values and Arrow IPC bytes."""
        waiting = {name: to_bytes(rows) for name, rows in self._waiting.items() if rows.height}
        told = {"lost": self.lost, "newest": self.newest, "changed": self.changed}
        lacking = {"missing": self.missing.snapshot(), "refused": dict(self._refused)}
        return {"materials": self._conversions.snapshot(), "waiting": waiting, **told, **lacking}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._conversions, self.lost = Conversions.of(state["materials"]), state["lost"]
        self.newest, self.changed = state["newest"], state["changed"]
        self._bases = None
        self.missing = Missing(state.get("missing", ()))  # states of older releases have none
        self._refused = dict(state.get("refused", {}))
        self._known_anew = set(self._conversions.materials)
        self._waiting = {name: from_bytes(data, ROWS[name][0]) for name, data in state["waiting"].items()}


def _unknown(row: Mapping[str, Any], lost: int) -> dict[str, Any]:
    more = f"; {lost} older ones are dead letters for lack of room" if lost else ""
    return {
        "event_id": f"material_unknown/{row['plant']}/{row['material']}/{row['unit']}",
        "kind": "material_unknown",
        "severity": "WARNING",
        "plant": row["plant"],
        "subject": row["material"],
        "message": f"no conversion from {row['unit']} to the base unit of {row['material']} is known: its records wait "
        f"and are in no stock{more}",
        "error_class": "partner_data",
    }


def _base_changed(plant: str, material: str, known: str, unit: str) -> dict[str, Any]:
    return {
        "event_id": f"base_unit_changed/{plant}/{material}/{unit}",
        "kind": "base_unit_changed",
        "severity": "WARNING",
        "plant": plant,
        "subject": material,
        "message": f"the base unit of {material} became {unit} without a conversion from {known}, in which its stock "
        f"is kept: the version before goes on to count; send one with a conversion from {known}",
        "error_class": "partner_data",
    }
