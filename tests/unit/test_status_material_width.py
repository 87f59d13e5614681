"""Numbers of `millrace status --material` on a narrow terminal."""

from __future__ import annotations

import io

from rich.console import Console

from millrace.cli.status_material import show

PLACE = {
    "plant": "P1",
    "storage_location": "RM01",
    "unit": "KGM",
    "at": "2026-03-02T08:00:00Z",
    **dict.fromkeys(("on_hand", "projected", "order_up_to", "reorder_point", "demand_mean"), "4042505.125"),
    **dict.fromkeys(("quality_hold", "blocked", "allocated", "in_transit", "open_requests"), "17.5"),
    **dict.fromkeys(("days_of_cover", "crosses_at", "stock_out_at")),
}


def test_a_number_is_never_cut() -> None:
    """4042... on eighty columns could be any number."""
    told = io.StringIO()
    show({"material": "M", "stock": [PLACE], "requests": []}, Console(file=told, width=80))
    assert told.getvalue().count("4042505.125") == 5
    assert "\N{HORIZONTAL ELLIPSIS}" not in told.getvalue()
