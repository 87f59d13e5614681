"""Rolling back one release works: the code that left the stored states goes on with a state of today, and back.

The other code is really run: it is taken out of the repository's history, where the archives of `tests/golden/stores`
were committed, and works on the store in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest

from tests.golden.recovery_stores import ANNOUNCED, CASES, Case, archive_of, make, resume, total
from tests.golden.test_recovery_stores import expected

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
#: In the former code: go on with a store, some batches or to the end, and say what is announced then.
_OTHER = """
import dataclasses, json, sys
from pathlib import Path
from tests.golden.recovery_stores import ANNOUNCED, CASES, resume
name, store, stop = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) or None
case = next(each for each in CASES if each.name == name)
half = dataclasses.replace(case, run=lambda place, _stop: case.run(place, stop))
announced = resume(half, store)
(store / ANNOUNCED).write_text(json.dumps(announced, default=str))
import dataflows
print(dataflows.__file__)
"""


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The code that made each stored state, by case; in a clone without history there is none."""
    found: dict[str, Path] = {}
    by_commit: dict[str, Path] = {}
    for case in CASES:
        asked = _git("log", "-1", "--diff-filter=A", "--format=%H", "--", str(archive_of(case).relative_to(ROOT)))
        commit = asked.decode().strip()
        if not commit:
            pytest.skip("this checkout has no history (a shallow clone, or no Git)")
        if commit not in by_commit:
            by_commit[commit] = tmp_path_factory.mktemp("former")
            with tarfile.open(fileobj=BytesIO(_git("archive", "--format=tar", commit))) as packed:
                packed.extractall(by_commit[commit], filter="data")
        found[case.name] = by_commit[commit]
    return found


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False).stdout


def in_former_code(code: Path, case: Case, store: Path, stop: int) -> None:
    """Go on there; the process must not see today's code."""
    command = [sys.executable, "-c", _OTHER, case.name, str(store), str(stop)]
    done = subprocess.run(command, cwd=code, env={"PYTHONPATH": str(code)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].startswith(str(code)), "it was today's code"


def announced(store: Path) -> Decimal:
    return total({key: Decimal(text) for key, text in json.loads((store / ANNOUNCED).read_text()).items()})


@each_case
def test_the_former_code_goes_on_with_a_state_of_today(case: Case, former: dict[str, Path], tmp_path: Path) -> None:
    make(case, tmp_path / "state")
    assert announced(tmp_path / "state") < expected(case), "it was left half-way"
    in_former_code(former[case.name], case, tmp_path / "state", 0)
    assert announced(tmp_path / "state") == expected(case)


@each_case
def test_there_and_back_again(case: Case, former: dict[str, Path], tmp_path: Path) -> None:
    """A release, the one before for some batches, and the newer one again to the end."""
    store = tmp_path / "state"
    make(case, store)
    in_former_code(former[case.name], case, store, max(1, case.half // 3))
    assert announced(store) <= expected(case)
    assert total(resume(case, store)) == expected(case)


@each_case
def test_a_value_that_the_former_code_does_not_know_is_found_by_these_tests(
    case: Case, former: dict[str, Path], tmp_path: Path
) -> None:
    """The control: a state of another layout is refused by the former code too, and the test sees it."""
    store = tmp_path / "state"
    make(case, store)
    layout = next(store.glob("layout.json"))
    layout.write_text(json.dumps({**json.loads(layout.read_text()), "steps": 99}))
    with pytest.raises(AssertionError, match="laid out differently"):
        in_former_code(former[case.name], case, store, 0)
