"""A letter that is mended and wrong again is open again, however often: what stands is what the newest version says."""

from __future__ import annotations

import tempfile
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.clock import Tick
from operators.consumption import ADJUSTED, totals
from operators.movement_reference import MovementReference
from operators.shifts import CalendarBook, utc_calendar
from operators.windows import Window
from schemas.contracts import contract
from schemas.types import polars_schema
from tests.flows.memory import START
from tests.flows.movement_memory import component, material, order, used
from tests.property.movement_ledger import MovementLedger
from tests.unit.test_movement_state import reference

OURS = {("ISSUE", "STEEL"): Decimal(2)}
DAY = 86_400_000_000
BEGIN = int(START.timestamp()) * 1_000_000
#: What was reported has waited for long enough.
LATER = Tick(BEGIN + DAY // 4, BEGIN - DAY)


def version(number: int, *, theirs: bool) -> MovementReference:
    """A version of the order that leaves STEEL to the ERP, or to the plant."""
    return reference(WorkOrder=[order(component("STEEL", erp_backflush=theirs), version=number)])


def reported(*records: int, crates: int = 0) -> pl.DataFrame:
    """All that was reported in the window, as its slot announces it again; the last of it in crates."""
    told = [used(each, unit="CRT" if each > max(records) - crates else "KGM") for each in records]
    rows = pl.DataFrame(told, schema=polars_schema(contract("MaterialConsumption")))
    rows = rows.with_columns(origin=pl.lit(0, pl.Int32), offset=pl.int_range(pl.len(), dtype=pl.Int64))
    total = totals(rows, Window.parse("10m"), CalendarBook([], utc_calendar()))
    return total.with_columns(adjustment=pl.lit("")).select(list(ADJUSTED))


def lived(
    flips: list[bool], *, at_once: bool = False, again: int = 0
) -> tuple[dict[tuple[str, str], Decimal], list[str]]:
    """What is desired and states of letters after these versions; some are read again after a kill."""
    with tempfile.TemporaryDirectory() as folder, closing(MovementLedger(Path(folder), rules=None)) as ledger:
        versions = [version(number, theirs=theirs) for number, theirs in enumerate(flips, 1)]
        given = [each for one in versions for each in (one, reported(1))]
        if again:
            ledger.life([reference(Material=[material()]), *given[: 2 * again]])
        ledger.life([reference(Material=[material()]), *given], at_once=at_once)
        return ledger.desired(), [state for _, state in ledger.letters()]


def test_good_bad_good_bad() -> None:
    good, bad = (OURS, "resolved"), ({}, "open")
    assert lived([False]) == (OURS, [])
    for flips, (desired, state) in [
        ([False, True], bad),
        ([False, True, False], good),
        ([False, True, False, True], bad),
        ([True, False, True, False, True, False], good),
    ]:
        assert lived(flips) == (desired, [state]), flips
        assert lived(flips, at_once=True) == (desired, [state]), flips


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.booleans(), min_size=1, max_size=7), st.booleans(), st.integers(0, 7))
def test_the_newest_version_says_whether_the_letter_is_open(flips: list[bool], at_once: bool, again: int) -> None:
    """Written one by one or all together, and read again from the beginning after any of them."""
    desired, states = lived(flips, at_once=at_once, again=min(again, len(flips)))
    assert desired == ({} if flips[-1] else OURS)
    assert set(states) <= {"open" if flips[-1] else "resolved"}
    assert bool(states) or not flips[-1]


def test_a_letter_of_a_life_that_died_is_mended_by_one_that_reads_in_another_order(tmp_path: Path) -> None:
    """After a crash nobody knows that it was told: the newer version of the order comes before what is reported."""
    with closing(MovementLedger(tmp_path, rules=None)) as ledger:
        known, theirs, ours = reference(Material=[material()]), version(1, theirs=True), version(2, theirs=False)
        ledger.life([known, theirs, reported(1)])
        assert (ledger.desired(), ledger.letters()) == ({}, [("booked_elsewhere", "open")])
        ledger.life([known, theirs, ours, reported(1)])
        assert (ledger.desired(), ledger.letters()) == (OURS, [("booked_elsewhere", "resolved")])
        ledger.life([known, theirs, ours, version(3, theirs=True), reported(1)])
        assert (ledger.desired(), ledger.letters()) == ({}, [("booked_elsewhere", "open")])


def test_what_is_booked_elsewhere_counts_its_events(tmp_path: Path) -> None:
    """Not the versions by which a letter is newer than the one before."""
    with closing(MovementLedger(tmp_path, rules=None)) as ledger:
        ledger.life([reference(Material=[material(version=7)]), version(9, theirs=True), reported(1, 2)])
        assert ledger.events() == [2]


def test_what_waits_for_its_unit_is_open_beside_what_of_its_document_is_booked() -> None:
    """The document holds more events than the letter tells of, and none of those."""
    known, weighed = reference(Material=[material()]), reference(Material=[material(version=2, CRT=(10, 1))])
    some, more = reported(1, 2, 3, 4, 5, crates=2), reported(*range(1, 9), crates=3)
    with tempfile.TemporaryDirectory() as folder, closing(MovementLedger(Path(folder), rules=None)) as ledger:
        ledger.life([known, some, LATER])
        assert ledger.desired() == {("ISSUE", "STEEL"): Decimal(6)}
        assert (ledger.letters(), ledger.events()) == ([("unit_conversion_unknown", "open")], [2])
        ledger.life([known, some, LATER, more])
        assert ledger.desired() == {("ISSUE", "STEEL"): Decimal(10)}
        assert (ledger.letters(), ledger.events()) == ([("unit_conversion_unknown", "open")], [3])
        ledger.life([known, some, LATER, more, weighed])
        assert ledger.desired() == {("ISSUE", "STEEL"): Decimal(70)}
        assert ledger.letters() == [("unit_conversion_unknown", "resolved")]
