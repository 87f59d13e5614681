"""The lane of reference data: orders and materials, and which known orders changed in what they say of totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from operators.hashing import hash_columns
from operators.lane import Dead, Decoder
from operators.references import ORDER, ORDER_ID, order_operations
from schemas.batch import RawBatch

#: What of an order changes documents that were announced already.
PROFILE = ["material", "order_unit", "count_source", "time_source"]


@dataclass(slots=True)
class ReferenceOutput:
    """Reference data of one batch.

    Args:
        orders: Rows of ORDER.
        materials: Records of Material.
        touched: plant and order_id of known orders whose profile changed.
        dead: Records given up.
        counts: Running totals of this lane.
    """

    orders: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ORDER))
    materials: list[dict[str, Any]] = field(default_factory=list)
    touched: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={name: ORDER[name] for name in ORDER_ID})
    )
    dead: list[Dead] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


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
    _profiles: dict[int, int] = field(default_factory=dict)

    def process(self, raw: RawBatch) -> ReferenceOutput:
        """Take one polled batch; a tombstone deletes nothing, since its order may still be counted on.

        Raises:
            Retriable: The registry is down; nothing has changed.
        """
        decoded = self.decoders[raw.topic].decode(raw)
        contract = self.contracts[raw.topic]
        self.counts[f"read:{contract}"] += len(raw.values)
        output = ReferenceOutput()
        for reject in decoded.rejects:
            if reject.reason == "tombstone":
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
            output.orders = order_operations(frame)
            output.touched = self._touched(output.orders)
        elif contract == "Material":
            output.materials = frame.to_dicts()
        output.counts = dict(self.counts)

    def _touched(self, operations: pl.DataFrame) -> pl.DataFrame:
        """Orders that were known with another profile."""
        order = hash_columns(operations, list(ORDER_ID)).tolist()
        profile = np.asarray(hash_columns(operations, [*ORDER_ID, "operation", *PROFILE]))
        changed: dict[int, int] = {}
        for key, value in zip(order, profile.tolist(), strict=True):
            changed[key] = changed.get(key, 0) ^ value
        touched = {k for k, v in changed.items() if k in self._profiles and self._profiles[k] != v}
        self._profiles.update(changed)
        mask = pl.Series([key in touched for key in order], dtype=pl.Boolean)
        return operations.filter(mask).select(ORDER_ID).unique()

    def snapshot(self) -> dict[str, Any]:
        """Plain values."""
        keys = np.array(list(self._profiles), np.uint64).tobytes()
        values = np.array(list(self._profiles.values()), np.uint64).tobytes()
        return {"version": 1, "counts": dict(self.counts), "profiles": (keys, values)}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a snapshot; None is a fresh start."""
        if state is None:
            return
        self.counts = Counter(state["counts"])
        keys, values = (np.frombuffer(part, np.uint64).tolist() for part in state["profiles"])
        self._profiles = dict(zip(keys, values, strict=True))
