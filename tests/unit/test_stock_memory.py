"""Movements are kept for hours; the batches that they came with are not."""

from __future__ import annotations

import gc
import sys
from decimal import Decimal

import numpy as np
import pytest

from operators import stock_movements
from schemas.batch import MARGIN, PackedValues, RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.flows.stock_records import issue


@pytest.mark.parametrize("name", ["STEEL", "STEEL-SHEET-2MM-GALVANISED"])
@pytest.mark.parametrize("as_they_come", [False, True])
def test_kept_movements_do_not_keep_their_batch(name: str, as_they_come: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the length of a material's number; the control leaves long names as they were decoded."""
    if as_they_come:
        monkeypatch.setattr(stock_movements, "INLINE", 1000)
    codec = Codec(contract("MaterialConsumption"), FolderSchemas())
    values = codec.encode([issue(n, 1, 5, material=name) for n in range(50)])
    sizes = np.array([len(value) for value in values], np.int64)
    data = MARGIN + b"".join(values) + MARGIN
    begin = len(MARGIN) + np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)[:-1]])
    numbers = np.zeros(50, np.int32)
    raw = RawBatch("consumption", PackedValues(data, begin, sizes), numbers, np.arange(50), np.zeros(50, np.int64))
    before = sys.getrefcount(data)
    kept = stock_movements.of_consumption(codec.decode(raw).frame)
    gc.collect()
    assert set(kept["material"]) == {name}
    assert kept["quantity"].sum() == Decimal(250)
    assert (sys.getrefcount(data) > before) == (as_they_come and len(name) > 12)
