"""Step ids of the replenishment flow as running plants have them in their recovery stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bytewax.testing import TestingSink, TestingSource
from bytewax.visualize import to_rendered

from dataflows.replenishment import wire
from tests.flows.stock_memory import settings
from tests.golden.test_step_ids import Named, steps

GOLDEN = Path(__file__).with_name("replenishment_step_ids.txt")


def test_no_step_that_keeps_state_changed_its_id(tmp_path: Path) -> None:
    """A change makes running flows start from nothing: give them a way before the golden file follows."""
    lanes: Any = TestingSource([])
    materials: Any = Named()
    sinks: dict[str, Any] = {"ledger": TestingSink([]), "topics": TestingSink([])}
    flow = wire(settings(history=tmp_path), lanes, materials, sinks, ["lane-00"], hold=True)
    assert sorted(steps(to_rendered(flow).substeps)) == GOLDEN.read_text().splitlines()
