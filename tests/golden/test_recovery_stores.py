"""New release, same state: stores that older code left are resumed with exact totals, or refused with a sentence."""

from __future__ import annotations

import json
import pickletools
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from dataflows.registry import FLOWS
from dataflows.state import LAYOUT, prepare
from dataflows.state_report import inspect
from dataflows.state_store import finished, plain
from millrace.errors import Misconfigured
from tests.flows.test_confirmations import plant
from tests.golden.recovery_stores import CASES, FOLDER, Case, archive_of, make, resume, total, unpack

#: Plain sums over the records, worked out without any flow; requests of a run that nothing interrupts.
EXPECTED = {
    "confirmations": sum(plant(11, 300)[1].values(), Decimal(0)),
    "goods-movements": Decimal(2 * 20),
}
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def expected(case: Case) -> Decimal:
    return EXPECTED[case.name] if case.name in EXPECTED else total(case.run(None, None))


@each_case
def test_a_stored_state_is_resumed_with_exact_totals(case: Case, tmp_path: Path) -> None:
    store = unpack(archive_of(case), tmp_path)
    announced = json.loads((store / "announced.json").read_text())
    assert total({key: Decimal(text) for key, text in announced.items()}) < expected(case), "it was left half-way"
    assert total(resume(case, store)) == expected(case)


@pytest.mark.parametrize(
    ("case", "steps"),
    [(case, steps) for case in CASES for steps in case.settings.resumes],
    ids=lambda value: f"steps{value}" if isinstance(value, int) else value.name,
)
def test_a_state_of_earlier_steps_is_resumed_and_then_refused_by_their_release(
    case: Case, steps: int, tmp_path: Path
) -> None:
    store = unpack(archive_of(case, steps), tmp_path)
    assert total(resume(case, store)) == expected(case)
    with pytest.raises(Misconfigured, match=f"steps was {case.settings.steps}, is {steps}"):
        prepare(store, 2, {**case.settings.layout(), "steps": steps}, 0)


@each_case
def test_without_the_stored_state_the_same_second_half_is_wrong(case: Case, tmp_path: Path) -> None:
    """The control: the totals above are exact because of what the store holds."""
    store = unpack(archive_of(case), tmp_path)
    offsets_only = {row.key for row in finished(store, "%.events")}
    assert offsets_only
    _forget_all_but_sources(store)
    assert total(resume(case, store)) != expected(case)


def _forget_all_but_sources(store: Path) -> None:
    for part in store.glob("part-*.sqlite3"):
        with closing(sqlite3.connect(part)) as db, db:
            db.execute("DELETE FROM snaps WHERE step_id NOT LIKE '%.events'")


@each_case
def test_a_state_holds_plain_values_alone_so_that_no_class_ties_it_to_a_release(case: Case, tmp_path: Path) -> None:
    """A class in it would make both ways between releases depend on its name and fields."""
    make(case, tmp_path / "state")
    for folder in (tmp_path / "state", unpack(archive_of(case), tmp_path / "golden")):
        for row in finished(folder):
            assert {name for name in classes_in(row.packed) if not name.startswith(PLAIN)} == set(), (row.step, row.key)


PLAIN = ("builtins ", "datetime ", "decimal ", "collections ")


def classes_in(packed: bytes) -> set[str]:
    """Globals that a pickle names."""
    found, texts = set(), []
    for operation, argument, _ in pickletools.genops(packed):
        if operation.name in ("SHORT_BINUNICODE", "BINUNICODE"):
            texts.append(argument)
        if operation.name == "STACK_GLOBAL":
            found.add(f"{texts[-2]} {texts[-1]}")
        if operation.name == "GLOBAL":
            found.add(argument)
    return found


@each_case
def test_todays_state_has_the_shape_of_the_stored_one_so_that_the_release_before_reads_it(
    case: Case, tmp_path: Path
) -> None:
    """Keys that are new, gone or of another kind need a rise of `steps`."""
    make(case, tmp_path / "state")
    assert shapes(tmp_path / "state") == shapes(unpack(archive_of(case), tmp_path / "golden"))


def shapes(store: Path) -> dict[str, set[str]]:
    """Names and kinds of what each step keeps."""
    found: dict[str, set[str]] = {}
    for row in finished(store):
        state = plain(row.packed)
        names = (
            {f"{name}: {type(value).__name__}" for name, value in state.items()} if isinstance(state, dict) else set()
        )
        found.setdefault(row.step, set()).update(names)
    return found


def test_every_flow_has_a_stored_state_of_its_present_version() -> None:
    """After a rise of `steps`: python -m tests.golden.recovery_stores makes the new one; leave the old one."""
    names = {f"{flow.name}-steps{flow.settings.steps}.tar.xz" for flow in FLOWS.values()}
    assert names <= {path.name for path in FOLDER.iterdir()}


OTHER = {"steps": 99, "window": "3h", "lanes": 7, "shards": 9, "judge_s": 3.0, "flow": "other"}


@pytest.mark.parametrize(
    ("case", "change"),
    [(case, name) for case in CASES for name in OTHER if name in case.settings.layout()],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_store_of_another_layout_is_refused_by_name_and_is_left_as_it_was(
    case: Case, change: str, tmp_path: Path
) -> None:
    store = unpack(archive_of(case), tmp_path)
    layout, other = case.settings.layout(), OTHER[change]
    before = (store / LAYOUT).read_bytes()
    with pytest.raises(Misconfigured, match=f"laid out differently .{change} was .*, is {other!r}") as refused:
        prepare(store, 2, {**layout, change: other}, 0)
    assert "booked again" in str(refused.value)
    assert (store / LAYOUT).read_bytes() == before
    assert inspect(store).flow == layout["flow"]
