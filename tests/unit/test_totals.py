"""Cumulative totals of a slot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from operators.partials import CONTRIBUTION
from operators.routes import partial_totals
from operators.shifts import CalendarBook, utc_calendar
from operators.totals import Closed, Totals
from operators.windows import Window
from tests.property.stand_in import HOUR, START, cycle, frame

WINDOW = Window.parse("1h")
CALENDAR = CalendarBook([], utc_calendar())


def partials(*records: dict[str, Any]) -> pl.DataFrame:
    rows = frame("MachineCycle", records)
    rows = rows.with_columns(pl.lit(65536, pl.Int32).alias("origin"), pl.int_range(pl.len()).alias("offset"))
    return partial_totals("MachineCycle", rows, WINDOW, CALENDAR)


def contribution(good: int, revision: int, part: int = 0, **values: Any) -> pl.DataFrame:
    rows = partials(cycle("T", 1, 0, quantity_good=Decimal(good), **values))
    extra = [pl.lit(part, pl.Int64).alias("part"), pl.lit(revision, pl.Int64).alias("revision")]
    return rows.with_columns(extra).select(list(CONTRIBUTION))


def counted(closed: Closed | None) -> tuple[list[Decimal], int]:
    """Yield per document, and what they depend on."""
    if closed is None:
        return [], 0
    sums = closed.rows.group_by("order_id", "window_start").agg(pl.col("quantity_yield").sum())
    return sorted(sums["quantity_yield"].to_list()), closed.rows["revises"].sum()


def test_a_window_is_announced_when_it_ends_and_each_late_row_makes_the_next_revision() -> None:
    totals = Totals(WINDOW)
    totals.add(partials(cycle("A", 1, 0), cycle("A", 2, 1)))
    assert totals.tick(START + HOUR - 1, 0) is None
    assert counted(totals.tick(START + HOUR, 0)) == ([Decimal(2)], 2)
    totals.add(partials(cycle("A", 3, 2)))
    assert totals.dirty
    revised = totals.revise()
    assert counted(revised) == ([Decimal(3)], 3)
    assert revised is not None
    assert revised.deltas.select("machine", "revises").rows() == [(Decimal(1), 1)]
    assert not totals.dirty


def test_of_a_document_announced_twice_at_a_time_the_last_counts_and_changes_add_up() -> None:
    totals = Totals(WINDOW)
    totals.add(partials(cycle("A", 1, 0), cycle("A", 2, 0, order_id="O2")))
    first = totals.tick(START + HOUR, 0)
    totals.add(partials(cycle("A", 3, 1)))
    second = totals.revise()
    third = totals.touch(pl.DataFrame({"plant": ["P1"], "order_id": ["O1"]}))
    assert first is not None
    assert second is not None
    assert third is not None
    joined = Closed.join([first, second, third])
    assert counted(joined) == ([Decimal(1), Decimal(2)], 3)
    assert joined.deltas["machine"].sum() == Decimal(3)


def test_a_revision_tells_only_the_documents_that_changed() -> None:
    totals = Totals(WINDOW)
    totals.add(partials(cycle("A", 1, 0), cycle("A", 2, 0, order_id="O2")))
    totals.tick(START + HOUR, 0)
    totals.add(partials(cycle("A", 3, 0, order_id="O2")))
    revised = totals.revise()
    assert revised is not None
    assert set(revised.rows["order_id"]) == set(revised.deltas["order_id"]) == {"O2"}


def test_deltas_add_up_to_the_totals_over_any_number_of_snapshots() -> None:
    totals, sums = Totals(WINDOW), {"machine": Decimal(0), "revises": 0}
    for number in range(12):
        totals.add(partials(cycle("A", number, number * 600_000_000)))
        restored = Totals(WINDOW)
        restored.restore(totals.snapshot())
        totals = restored
        closed = totals.tick(START + number * 600_000_000, 0) if number % 3 else totals.revise()
        if closed is not None:
            sums = {name: sums[name] + closed.deltas[name].sum() for name in sums}
    closed = totals.flush()
    assert closed is not None
    assert {name: sums[name] + closed.deltas[name].sum() for name in sums} == {"machine": 12, "revises": 12}


def test_a_contribution_replaces_its_part_whatever_comes_first_or_twice() -> None:
    for order in ((1, 2), (2, 1), (2, 2), (1, 2, 1, 2)):
        totals = Totals(WINDOW)
        for revision in order:
            totals.contribute(contribution(10 * revision, revision))
        totals.contribute(contribution(5, 7, part=1))
        assert counted(totals.flush()) == ([Decimal(25)], 9)


def test_a_part_that_moves_away_takes_its_pieces_along() -> None:
    totals = Totals(WINDOW)
    totals.contribute(contribution(10, 1))
    totals.tick(START + HOUR, 0)
    totals.contribute(contribution(0, 2).with_columns(pl.col("quantity_yield") * 0))
    revised = totals.revise()
    assert revised is None or counted(revised) == ([Decimal(0)], 2)


def test_plants_share_a_slot_and_not_their_windows() -> None:
    """Two shifts that start together may end apart."""
    totals = Totals(WINDOW)
    long = partials(cycle("B", 1, 0, plant="P2")).with_columns(pl.col("window_end") + pl.duration(hours=4))
    totals.add(pl.concat([partials(cycle("A", 1, 0)), long]))
    first = totals.tick(START + HOUR, 0)
    assert first is not None
    assert set(first.rows["plant"]) == {"P1"}


def test_a_window_that_became_longer_keeps_its_total() -> None:
    totals = Totals(WINDOW)
    totals.add(partials(cycle("A", 1, 0)))
    totals.add(partials(cycle("A", 2, 0)).with_columns(pl.col("window_end") + pl.duration(hours=1)))
    assert totals.tick(START + HOUR, 0) is None
    assert counted(totals.tick(START + 2 * HOUR, 0)) == ([Decimal(2)], 2)


def test_closed_windows_leave_the_state_at_the_frontier_and_open_ones_stay() -> None:
    totals = Totals(WINDOW)
    totals.add(partials(cycle("A", 1, 0), cycle("A", 2, HOUR), cycle("A", 3, 2 * HOUR)))
    totals.tick(START + 2 * HOUR, START + HOUR)
    assert len(totals.snapshot()["cells"]) == 2
    assert totals.open_windows == 1


def test_a_cell_that_did_not_change_is_not_serialised_again() -> None:
    totals = Totals(WINDOW)
    totals.add(partials(cycle("A", 1, 0), cycle("A", 2, HOUR)))
    before = totals.snapshot()["cells"]
    totals.add(partials(cycle("A", 3, HOUR)))
    after = totals.snapshot()["cells"]
    assert [before[key] is after[key] for key in sorted(before)] == [True, False]
