"""Backflush of one shard of orders: confirmed totals and bills of material become issues of components.

An issue is a function of the confirmation, the order's bill and the units of the component and of what is made, each in
its newest version. Its `reference_version` is the sum of their versions, of all materials that any version of the order
makes: an order that goes over to a material of lower version would else fall behind itself. So it rises with each of
them, and whatever arrives first, and however often, the last document is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from millrace.ledger.goods_movement import BACKFLUSH as WHOLE
from operators.backflush import backflush
from operators.backflush_rules import BackflushRules
from operators.base_units import in_base_unit, with_ratio
from operators.consumption import with_version
from operators.document_keys import document_key
from operators.frames import from_bytes, to_bytes
from operators.movement_bills import ITEM, left_out
from operators.movement_bills import booked as booked_components
from operators.movement_elsewhere import judged
from operators.movement_open import BILL_WRONG, OPEN, ORDER_UNKNOWN, SERIALISED, UNIT_UNKNOWN
from operators.movement_reference import BILL, CONFIRMED, ORDER_HEAD
from operators.partials import QUANTITY
from operators.references import Conversions

_ORDER = ["plant", "order_id"]
_COMPONENT = [*_ORDER, "component"]
#: `counted`: one that never had any yield implies nothing, and takes nothing back; a withdrawn one may have had some.
#: `past`: beyond the correction horizon, kept for its order, which may still be cancelled.
_HELD: dict[str, pl.DataType] = {**CONFIRMED, "counted": pl.Boolean(), "past": pl.Boolean()}
#: `made`: materials of all versions of the order that were heard of, sorted.
_ORDERS: dict[str, pl.DataType] = {**ORDER_HEAD, "made": pl.List(pl.String())}


class Backflushing:
    """Confirmations, orders and bills of one shard.

    Args:
        rules: Who books which component.
    """

    def __init__(self, rules: BackflushRules) -> None:
        self._rules = rules
        self.confirmed = pl.DataFrame(schema=_HELD)
        self.orders = pl.DataFrame(schema=_ORDERS)
        self.bill = pl.DataFrame(schema=BILL)
        self._saved: dict[str, bytes] = {}

    def confirm(self, rows: pl.DataFrame, frontier: int) -> pl.Series:
        """Take rows of CONFIRMED; returns the keys of those that are new or changed.

        Args:
            rows: Confirmations.
            frontier: What is older may have been known here and forgotten, microseconds.
        """
        if not rows.height:
            return pl.Series(dtype=pl.String)
        old = pl.col("window_start").to_physical() <= frontier
        counts = (pl.col("quantity_yield") > 0) | pl.col("withdrawn") | old
        fresh = rows.with_columns(counts.alias("counted"), pl.lit(value=False).alias("past"))
        every = pl.concat([self.confirmed, fresh.select(pl.col(name).cast(kind) for name, kind in _HELD.items())])
        counted = every.with_columns(pl.col("counted").any().over("document_key"))
        ordered = counted.sort("revision", "reference_version", maintain_order=True)
        newest = ordered.with_columns(_as_before("quantity_yield"), _as_before("unit"))
        self._keep(confirmed=newest.unique("document_key", keep="last", maintain_order=True))
        return fresh["document_key"].unique()

    def order(self, orders: pl.DataFrame, bill: pl.DataFrame) -> pl.Series:
        """Take rows of ORDER_HEAD and BILL; returns the keys of the confirmations that they concern.

        A component that a newer version leaves out, or gives to the ERP, stays as one of which nothing is needed, so it
        is taken back. An order that is cancelled, or released again, concerns all of its confirmations, however old.
        """
        known = self.orders.select(*_ORDER, pl.col("version").alias("known"), pl.col("cancelled").alias("was"))
        newest = orders.sort("version").unique(_ORDER, keep="last").join(known, on=_ORDER, how="left")
        fresh = newest.filter(pl.col("known").is_null() | (pl.col("known") < pl.col("version")))
        flipped, fresh = fresh.filter(pl.col("was") != pl.col("cancelled")), fresh.drop("known", "was")
        made = self._made(orders)
        if not fresh.height:
            return self._makes_more(made)
        fresh = fresh.join(made, on=_ORDER, how="left")
        theirs = bill.join(fresh, on=[*_ORDER, "version"], how="semi").unique(ITEM, keep="last")
        left = left_out(self.bill, bill, newest.join(fresh, on=_ORDER, how="semi"), self._rules)
        others = self.bill.join(fresh, on=_ORDER, how="anti")
        known_before = self._makes_more(made)
        self._keep(
            orders=pl.concat([self.orders.join(fresh, on=_ORDER, how="anti"), fresh]),
            bill=pl.concat([others, theirs, left.select(others.columns)]),
        )
        whole = self.confirmed.join(flipped, on=_ORDER, how="semi")["document_key"]
        return pl.concat([whole, known_before, self._recent(fresh)]).unique()

    def _made(self, orders: pl.DataFrame) -> pl.DataFrame:
        """What these orders make (plant, order_id, made), in any version known or among these."""
        known = self.orders.join(orders, on=_ORDER, how="semi").explode("made")
        named = orders.select(*_ORDER, pl.col("order_material").alias("made"))
        every = pl.concat([known.select(named.columns), named])
        return every.group_by(_ORDER).agg(pl.col("made").drop_nulls().unique().sort())

    def _makes_more(self, made: pl.DataFrame) -> pl.Series:
        """Keys of the confirmations of known orders of which another version names one more material."""
        found = self.orders.join(made, on=_ORDER, how="left", suffix="_now", maintain_order="left")
        more = found.filter(pl.col("made_now").list.len() > pl.col("made").list.len())
        if not more.height:
            return pl.Series(dtype=pl.String)
        self._keep(orders=found.with_columns(pl.coalesce("made_now", "made").alias("made")).drop("made_now"))
        return self._recent(more)

    def awaited(self, orders: pl.DataFrame) -> pl.DataFrame:
        """Confirmations (plant, document_key, revision) that came before their order, which is among these.

        Args:
            orders: Rows of ORDER_HEAD that `order` has not taken yet.
        """
        fresh = orders.join(self.orders, on=_ORDER, how="anti")
        return self.confirmed.join(fresh, on=_ORDER, how="semi").select("plant", "document_key", "revision")

    def overruled(self, bill: pl.DataFrame) -> pl.DataFrame:
        """Components (plant, order_id, component) that newer versions of orders take from this flow.

        Args:
            bill: Rows of BILL that `order` has not taken yet.
        """
        theirs = bill.filter("erp_backflush")
        if not theirs.height:
            return theirs.select(_COMPONENT)
        fresh = theirs.join(self.orders, on=_ORDER, how="left", suffix="_known")
        fresh = fresh.filter((pl.col("version") > pl.col("version_known")).fill_null(value=True))
        told = self.bill.filter("erp_backflush")
        found = self._rules.overruled(fresh.select(_COMPONENT).unique(maintain_order=True))
        return found.join(told, on=_COMPONENT, how="anti", maintain_order="left")

    def judged(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Documents of reported consumption as `operators.movement_elsewhere.judged`; their orders stay as long."""
        latest = rows.group_by(_ORDER).agg(pl.col("window_end").max().alias("latest"))
        orders = self.orders.join(latest, on=_ORDER, how="left", maintain_order="left")
        if (orders["latest"] > orders["changed"]).any():
            changed = pl.max_horizontal("changed", pl.col("latest").cast(ORDER_HEAD["changed"]))
            self._keep(orders=orders.with_columns(changed.alias("changed")).drop("latest"))
        return judged(rows, self.orders, self.bill, self._rules)

    def using(self, plant: str, material: str) -> pl.Series:
        """Keys of the confirmations that a material's units concern, as a component or as what the order makes."""
        component = (pl.col("plant") == plant) & (pl.col("component") == material)
        made = (pl.col("plant") == plant) & pl.col("made").list.contains(material)
        concerned = pl.concat(
            [self.bill.filter(component).select(_ORDER), self.orders.filter(made).select(_ORDER)]
        ).unique()
        return self._recent(concerned)

    def _recent(self, orders: pl.DataFrame) -> pl.Series:
        """Keys of the confirmations of some orders that may still be corrected."""
        return self.confirmed.filter(~pl.col("past")).join(orders, on=_ORDER, how="semi")["document_key"]

    def documents(self, keys: pl.Series, conversions: Conversions) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Fields of the contract GoodsMovement that follow from these confirmations, and what is open (OPEN)."""
        rows = self.confirmed.filter(pl.col("document_key").is_in(keys.implode()) & pl.col("counted"))
        rows = rows.join(self.orders.drop("ended", "changed"), on=_ORDER, how="left")
        rows = rows.with_columns(order_version="version", confirmation_version="reference_version")
        # The newer of both says how the order stands: a window that has left its flow is not announced again.
        later = pl.col("version") > pl.col("reference_version")
        rows = rows.with_columns(pl.when(later).then("cancelled").otherwise("withdrawn").alias("withdrawn"))
        rows = rows.drop("cancelled")
        # Nothing is used of what is not confirmed, whatever its order says.
        unknown = rows.filter(pl.col("version").is_null() & ((pl.col("quantity_yield") > 0) | pl.col("withdrawn")))
        good, strange = _in_order_unit(rows.filter(pl.col("version").is_not_null()), conversions)
        good = _with_made(good, conversions)
        booked = with_ratio(booked_components(self.bill, good, self._rules), conversions)
        wrong = (pl.col("denominator") <= 0) | (pl.col("numerator") < 0)
        used = _issues(good, booked.filter(~wrong))
        bad = _issues(good, booked.filter(wrong).with_columns(denominator=pl.lit(Decimal(1), QUANTITY)))
        bad = pl.concat([bad, used.filter(pl.col("quantity").is_null())]).with_columns(pl.col("quantity").fill_null(0))
        used = used.drop_nulls("quantity")
        wanted = (pl.col("quantity") != 0) & ~pl.col("withdrawn")
        person, ours = used.filter(pl.col("serialised") & wanted), used.filter(~pl.col("serialised"))
        made, stuck = in_base_unit(ours, conversions)
        whole = pl.concat([_whole(unknown, ORDER_UNKNOWN), _whole(strange, UNIT_UNKNOWN)])
        parts = [(bad, BILL_WRONG), (person, SERIALISED), (stuck, UNIT_UNKNOWN)]
        return _described(made, conversions), pl.concat([whole, *(_open(each, reason) for each, reason in parts)])

    def forget(self, frontier: int, waiting: pl.Series) -> None:
        """Confirmations leave after the correction horizon, those of running orders with the order.

        Args:
            frontier: What is older leaves, microseconds.
            waiting: Keys of confirmations that still wait for something; these stay.
        """
        recent = pl.col("last_event_time").to_physical() > frontier
        stays = recent | pl.col("document_key").is_in(waiting.implode())
        over = (pl.col("changed").to_physical() <= frontier) & pl.col("ended")
        past = self.confirmed.filter(~stays).join(self.orders.filter(~over), on=_ORDER, how="semi")
        kept = pl.concat([self.confirmed.filter(stays), past.with_columns(past=pl.lit(value=True))])
        gone = self.orders.filter(over).join(kept, on=_ORDER, how="anti")
        if kept.height < self.confirmed.height or gone.height or not past["past"].all():
            self._keep(
                confirmed=kept,
                orders=self.orders.join(gone, on=_ORDER, how="anti"),
                bill=self.bill.join(gone, on=_ORDER, how="anti"),
            )

    def _keep(self, **frames: pl.DataFrame) -> None:
        for name, frame in frames.items():
            setattr(self, name, frame)
            self._saved.pop(name, None)

    def snapshot(self) -> dict[str, bytes]:
        """Arrow IPC bytes; what did not change since is not serialised again."""
        for name in ("confirmed", "orders", "bill"):
            if name not in self._saved:
                self._saved[name] = to_bytes(getattr(self, name))
        return dict(self._saved)

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Go on from a snapshot; an older one knows of nothing past or cancelled."""
        schemas = {"confirmed": _HELD, "orders": _ORDERS, "bill": BILL}
        frames = {name: from_bytes(state[name], schema) for name, schema in schemas.items()}
        frames["confirmed"] = frames["confirmed"].with_columns(pl.col("past").fill_null(value=False))
        frames["orders"] = frames["orders"].with_columns(
            pl.col("cancelled").fill_null(value=False), pl.coalesce("made", pl.concat_list("order_material"))
        )
        self._keep(**frames)


def _as_before(name: str) -> pl.Expr:
    """A withdrawn confirmation shows nothing; what it had stays known, in case its order is released again."""
    known = pl.when(~pl.col("withdrawn")).then(name).forward_fill().over("document_key")
    return pl.when("withdrawn").then(pl.coalesce(known, name)).otherwise(name).alias(name)


def _with_made(rows: pl.DataFrame, conversions: Conversions) -> pl.DataFrame:
    """Rows with `version`: of the order, and of all that it makes or made."""
    where = zip(rows["plant"], rows["made"], strict=True)
    made = [sum(conversions.version(plant, name) for name in names) for plant, names in where]
    return rows.with_columns(pl.col("version") + pl.Series("made", made, pl.Int64)).drop("made")


def _in_order_unit(rows: pl.DataFrame, conversions: Conversions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Yields in the unit of the bill: a confirmation may have been made by an older version of the order."""
    found = [_yield_of(row, conversions) for row in rows.to_dicts()]
    converted = rows.with_columns(pl.Series("quantity_yield", found, QUANTITY))
    return converted.filter(pl.col("quantity_yield").is_not_null()), rows.filter(converted["quantity_yield"].is_null())


def _yield_of(row: dict[str, Any], conversions: Conversions) -> Decimal | None:
    if row["unit"] == row["order_unit"]:
        return Decimal(row["quantity_yield"])
    where = (row["plant"], row["order_material"])
    return conversions.convert(*where, row["quantity_yield"], row["unit"], row["order_unit"])


def _issues(confirmed: pl.DataFrame, components: pl.DataFrame) -> pl.DataFrame:
    """One row per confirmation and component, in its base unit if known, under the key of its document."""
    rows = backflush(confirmed.drop("unit", "order_unit", "order_material"), components)
    rows = rows.rename({"component": "material", "document_key": "source"})
    item = document_key("component_item", "material", "storage_location")
    return rows.with_columns(pl.concat_str("source", pl.lit(WHOLE), item, separator="|").alias("document_key"))


def _described(rows: pl.DataFrame, conversions: Conversions) -> pl.DataFrame:
    confirmed = pl.col("reference_version") + pl.col("version")
    rows = with_version(rows.with_columns(confirmed.alias("_so_far")), conversions)
    return rows.with_columns(
        pl.col("reference_version") + pl.col("_so_far"),
        pl.lit("UNRESTRICTED").alias("stock_type_from"),
        pl.col("source").alias("correlation_id"),
    ).drop("_so_far", "source", "version", "quantity_yield", "counted", "serialised", "component_item", "erp_backflush")


def _open(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    newest = pl.col("last_event_time").to_physical().alias("newest")
    named = {"reason": pl.lit(reason), "batch": pl.lit(None, pl.String), "events": pl.col("revision")}
    told = rows.with_columns(newest, **named)
    return told.select(pl.col(name).cast(kind) for name, kind in OPEN.items())


def _whole(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Confirmations of which no component can be told."""
    told = rows.with_columns(
        pl.col("document_key").alias("source"),
        pl.concat_str("document_key", pl.lit(WHOLE), separator="|").alias("document_key"),
        pl.lit("ISSUE").alias("movement"),
        pl.lit("").alias("material"),
        pl.lit("").alias("storage_location"),
        pl.col("quantity_yield").alias("quantity"),
    )
    return _open(told, reason)
