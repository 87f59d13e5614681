"""Whatever master data comes in whatever order, a ledger that heeds versions ends with what the newest of all says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from operators.movement_documents import MovementsOutput
from tests.flows.movement_memory import component, confirmed, material, order
from tests.unit.test_movement_cancelled import totals
from tests.unit.test_movement_state import reference, shard

#: Pieces of the order's unit in a box, by material that is made and its version; A has the higher versions.
MADE = {("A", 100): 4, ("A", 101): 6, ("B", 1): 5, ("B", 2): 7}
STEEL = component("STEEL", 2)
RECORDS: list[tuple[str, dict[str, Any]]] = [
    *(("Material", material(name, version, base="C62", BOX=(box, 1))) for (name, version), box in MADE.items()),
    ("Material", material()),
    *(("WorkOrder", order(STEEL, version=n + 1, material=made)) for n, made in enumerate("ABA")),
    ("ProductionConfirmation", confirmed(5, 2, unit="BOX")),
]


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(len(RECORDS))), st.integers(0, len(RECORDS)), st.sampled_from([1, 2, 3]))
def test_a_corrected_factor_of_what_is_made_counts_whatever_comes_first(
    turns: list[int], lost: int, newest: int
) -> None:
    """A first life hears some and dies; the second hears all, and both have told the same ledger."""
    heard = [RECORDS[turn] for turn in turns if RECORDS[turn][1].get("version", 0) <= newest or turn < len(MADE)]
    output = MovementsOutput()
    for life in (heard[:lost][::-1], heard):
        documents, told = shard()
        for name, record in life:
            documents.batch([reference(**{name: [record]})], told)
        output.movements += told.movements
    box = MADE["B", 2] if newest == 2 else MADE["A", 101]
    assert totals(output) == {("ISSUE", "STEEL"): Decimal(5 * box * 2)}
