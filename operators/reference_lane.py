"""The lane of reference data: orders, materials, and which known orders changed their profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from operators.hashing import hash_columns
from operators.lane import Dead, Decoder
from operators.master_checks import checked
from operators.references import CANCELLED, ORDER, ORDER_ID, order_operations
from operators.screen import DAY
from schemas.batch import RawBatch
from schemas.records import detached

STATE_VERSION = 1
#: What of an order changes documents that were announced already.
PROFILE = ["material", "order_unit", "count_source", "time_source"]
#: Orders that ended this long before the newest change are forgotten; their windows have left the state.
FORGET = 31 * DAY
_WORD = (1 << 64) - 1
#: Added to the profile of a cancelled order: other orders keep the profile that an older state holds of them.
_WITHDRAWN = 0x9E3779B97F4A7C15


@dataclass(slots=True)
class ReferenceOutput:
    """Reference data of one batch.

    Args:
        orders: Rows of ORDER.
        materials: Records of Material.
        touched: plant and order_id of known orders whose profile changed.
        fresh: Rows of ORDER of orders that are heard of for the first time.
        dead: Records given up.
        counts: Running totals of this lane.
    """

    orders: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ORDER))
    materials: list[dict[str, Any]] = field(default_factory=list)
    touched: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={name: ORDER[name] for name in ORDER_ID}))
    fresh: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ORDER))
    dead: list[Dead] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> pl.DataFrame:
        """Plant and order_id of the orders that take no more confirmations."""
        return self.orders.filter(pl.col("status") != "RELEASED").select(ORDER_ID).unique()


@dataclass(frozen=True, slots=True)
class _Known:
    """What is kept of an order.

    Args:
        version: Its version.
        profile: Hash of what it says of totals.
        ended: When it ended, microseconds; 0 while it takes confirmations.
    """

    version: int
    profile: int
    ended: int


@dataclass(slots=True)
class ReferenceLane:
    """Rules and state of the reference lane.

    Args:
        contracts: Contract by topic: WorkOrder or Material.
        decoders: Decoder by topic.
    """

    contracts: Mapping[str, str]
    decoders: Mapping[str, Decoder]
    counts: Counter[str] = field(default_factory=Counter)
    _orders: dict[int, _Known] = field(default_factory=dict)
    _newest: int = 0

    def process(self, raw: RawBatch) -> ReferenceOutput:
        """Take one polled batch; a tombstone deletes nothing, since its order may still be counted on.

        Raises:
            Retriable: The registry is down; nothing has changed.
        """
        contract = self.contracts[raw.topic]
        decoded = checked(contract, self.decoders[raw.topic].decode(raw))
        self.counts[f"read:{contract}"] += len(raw.values)
        output = ReferenceOutput()
        for reject in decoded.rejects:
            if reject.reason == "tombstone":
                self.counts[f"tombstones:{contract}"] += 1
                continue
            place = (int(raw.partitions[reject.row]), int(raw.offsets[reject.row]))
            value = raw.values[reject.row] or b""
            self.counts[f"dead:{contract}:{reject.reason}"] += 1
            output.dead.append(Dead(contract, raw.topic, *place, reject.reason, reject.detail, value))
        self.accept(output, contract, decoded.frame)
        return output

    def accept(self, output: ReferenceOutput, contract: str, frame: pl.DataFrame) -> None:
        """Take decoded rows of WorkOrder or Material."""
        self.counts[f"accepted:{contract}"] += frame.height
        if contract == "WorkOrder" and frame.height:
            # Operations outlive their batch in the state of documents; its bytes need not.
            output.orders = detached(order_operations(frame))
            output.touched, output.fresh = self._touched(output.orders)
            self._forget()
        elif contract == "Material":
            output.materials = frame.to_dicts()
        output.counts = dict(self.counts)

    def _touched(self, operations: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Orders that were known, in a lower version, with another profile; and operations of unknown ones."""
        newest = operations.filter(pl.col("version") == pl.col("version").max().over(ORDER_ID))
        newest = newest.unique([*ORDER_ID, "operation"], keep="last")
        keys = hash_columns(newest, list(ORDER_ID)).tolist()
        touched, fresh = set(), set()
        for key, order in self._profiles(newest, keys).items():
            former = self._orders.get(key)
            if former is not None and former.version >= order.version:
                continue
            self._orders[key] = order
            if former is None:
                fresh.add(key)
            elif former.profile != order.profile:
                touched.add(key)
        changed, new = (pl.Series([key in found for key in keys], dtype=pl.Boolean) for found in (touched, fresh))
        return newest.filter(changed).select(ORDER_ID).unique(), newest.filter(new)

    def _profiles(self, newest: pl.DataFrame, keys: list[int]) -> dict[int, _Known]:
        """What the operations say of each order; their order does not matter."""
        hashes = hash_columns(newest, [*ORDER_ID, "operation", *PROFILE]).tolist()
        changed = newest["changed"].to_physical().to_list()
        found: dict[int, _Known] = {}
        rows = zip(keys, hashes, newest["version"], newest["status"], changed, strict=True)
        for key, profile, version, status, at in rows:
            withdrawn = _WITHDRAWN if status == CANCELLED else 0
            former = found[key].profile if key in found else withdrawn
            found[key] = _Known(version, (former + profile) & _WORD, 0 if status == "RELEASED" else at)
        self._newest = max([self._newest, *changed])
        return found

    def _forget(self) -> None:
        past = [key for key, order in self._orders.items() if 0 < order.ended < self._newest - FORGET]
        for key in past:
            del self._orders[key]

    def snapshot(self) -> dict[str, Any]:
        """Plain values."""
        orders = self._orders.values()
        return {
            "version": STATE_VERSION,
            "counts": dict(self.counts),
            "newest": self._newest,
            "keys": np.array(list(self._orders), np.uint64).tobytes(),
            "profiles": np.array([order.profile for order in orders], np.uint64).tobytes(),
            "versions": np.array([order.version for order in orders], np.int64).tobytes(),
            "ended": np.array([order.ended for order in orders], np.int64).tobytes(),
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a snapshot; None is a fresh start."""
        if state is None:
            return
        self.counts, self._newest = Counter(state["counts"]), state["newest"]
        keys, profiles = (np.frombuffer(state[name], np.uint64).tolist() for name in ("keys", "profiles"))
        versions, ended = (np.frombuffer(state[name], np.int64).tolist() for name in ("versions", "ended"))
        known = map(_Known, versions, profiles, ended)
        self._orders = dict(zip(keys, known, strict=True))
