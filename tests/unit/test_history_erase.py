"""Persons and old days taken out of the history: every quantity stays, each row once over kills, with proof."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import sinks.history
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.model import DeadLetter, LetterState
from schemas.contracts import contracts
from sinks.history import personal
from sinks.history.compact import compact, only_one
from sinks.history.erase import Erasure
from sinks.history.erasure_report import FOLDER, Report
from sinks.history.manifest import read_manifest
from sinks.history.rows import HistoryRows
from sinks.history.verify import verify
from tests.unit.erase_case import TOPIC, call, everything, fill, in_days, killed, life, reports, seen, without_people

ERASE = ["history", "erase", "--operator", "ann", "--reason", "request 17", "--retired", "state1"]


def test_nothing_but_the_name_changes_and_the_name_is_nowhere(tmp_path: Path) -> None:
    fill(tmp_path)
    before = seen(tmp_path)
    said = call(*ERASE, "--root", tmp_path)
    after = seen(tmp_path)
    assert without_people(after).equals(without_people(before))
    wanted = before["operator"].replace({"ann": personal.ERASED})
    assert after["operator"].equals(wanted)
    assert said["topics"][0]["rows"] == before["operator"].eq("ann").sum() > 0
    assert b'ann"' not in everything(tmp_path).replace(b"hanna", b"")
    assert b"ann," not in everything(tmp_path).replace(b"hanna", b"")


def test_a_name_inside_another_name_stays(tmp_path: Path) -> None:
    """Control: what looks for texts instead of values would take `hanna` too."""
    fill(tmp_path)
    before = seen(tmp_path)["operator"]
    call(*ERASE, "--root", tmp_path)
    assert seen(tmp_path)["operator"].eq("hanna").sum() == before.eq("hanna").sum() > 0
    assert before.str.contains("ann").sum() > before.eq("ann").sum()


def test_the_report_proves_each_file_by_its_checksums(tmp_path: Path) -> None:
    others = life(tmp_path, fill(tmp_path))
    others.write("OperationReport", reports([1, 2], "OTHERS"))
    others.sync()
    old = {str(p.relative_to(tmp_path)): _sha(p) for p in tmp_path.rglob("*.parquet")}
    said = call(*ERASE, "--root", tmp_path)
    report = json.loads(Path(said["report"]).read_text())
    table = pl.read_parquet(Path(said["report"]).with_suffix(".parquet"))
    assert (report["what"], report["reason"], report["files"]) == ("erase", "request 17", table.height)
    assert "ann" not in Path(said["report"]).read_text()
    for file, before, after in table.select("file", "sha256_before", "sha256_after").iter_rows():
        assert (before, after) == (old[file], _sha(tmp_path / file))
    untouched = set(old) - set(table["file"])
    assert untouched
    assert all(old[file] == _sha(tmp_path / file) for file in untouched)
    assert not [path for path in (tmp_path / FOLDER).iterdir() if path.is_dir()]


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_dry_run_counts_the_same_and_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    files = {path: _sha(path) for path in tmp_path.rglob("*") if path.is_file()}
    would = call(*ERASE, "--root", tmp_path, "--dry-run")
    assert {path: _sha(path) for path in tmp_path.rglob("*") if path.is_file()} == files
    did = call(*ERASE, "--root", tmp_path)
    assert (would["topics"], would["report"]) == (did["topics"], None)
    assert call(*ERASE, "--root", tmp_path)["topics"][0]["files"] == 0


def test_manifest_and_checks_agree_with_what_was_written(tmp_path: Path) -> None:
    fill(tmp_path)
    old = read_manifest(tmp_path, TOPIC)
    call(*ERASE, "--root", tmp_path)
    new = read_manifest(tmp_path, TOPIC)
    assert old is not None
    assert new is not None
    assert old["days"][0]["sha256"] != new["days"][0]["sha256"]
    assert (old["rows"], old["first_event_time"]) == (new["rows"], new["first_event_time"])
    assert verify(tmp_path, TOPIC).problems == []


def test_files_that_a_flow_may_still_remove_wait_and_the_flow_goes_on_undisturbed(tmp_path: Path) -> None:
    number = fill(tmp_path)
    before = seen(tmp_path)
    report = Report.begin(tmp_path, {})
    with only_one(tmp_path):
        done = Erasure(tmp_path, "ann", lambda _: number - 1, report).topic(TOPIC)
    report.end()
    assert done.not_final == {"confirmations-state1-lane-00": 1}
    assert seen(tmp_path)["operator"].eq("ann").sum() == 1
    flow = life(tmp_path, number - 1)  # goes on before its last file: removes it and writes its rows again
    flow.write("OperationReport", reports([3, 4, 5], "LATE"))
    flow.sync()
    assert without_people(seen(tmp_path)).equals(without_people(before))
    with only_one(tmp_path):
        compact(tmp_path, TOPIC, date(2026, 3, 9), lambda _: 10**9)
    assert without_people(seen(tmp_path)).equals(without_people(before))
    assert in_days(tmp_path) == sorted(before["event_id"])
    call(*ERASE, "--root", tmp_path)
    assert seen(tmp_path)["operator"].eq("ann").sum() == 0


def test_the_command_says_what_waits_and_ends_with_1(tmp_path: Path) -> None:
    fill(tmp_path)
    arguments = [each for each in ERASE if each not in {"--retired", "state1"}]
    said = call(*arguments, "--root", tmp_path, code=1)
    assert sum(said["topics"][0]["not_final"].values()) > 0
    assert seen(tmp_path)["operator"].eq("ann").sum() > 0


def test_a_replay_reads_the_same_rows_afterwards(tmp_path: Path) -> None:
    fill(tmp_path)
    history = HistoryRows(tmp_path, {"OperationReport": TOPIC})

    def rows() -> pl.DataFrame:
        days = [history.load("OperationReport", day, lambda frame: frame) for day in history.days()]
        return without_people(pl.concat(days)).sort("event_id")

    before = rows()
    call(*ERASE, "--root", tmp_path)
    assert rows().equals(before)
    assert before.height == seen(tmp_path).height


def test_an_erased_raw_file_is_compacted_like_any_other(tmp_path: Path) -> None:
    """A file that seems to be written after its like were compacted would stop compaction and readers."""
    fill(tmp_path)
    before = seen(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / TOPIC).rglob("*.parquet")}
    call(*ERASE, "--root", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / TOPIC).rglob("*.parquet")} == times
    with only_one(tmp_path):
        compact(tmp_path, TOPIC, date(2026, 3, 9), lambda _: 10**9)
    assert in_days(tmp_path) == sorted(before["event_id"])


POINTS = [
    *(
        "erase.after_note",
        "erase.after_note@2",
        "erase.before_publish",
        "erase.before_publish@2",
        "erase.after_publish",
    ),
    *("erase.after_publish@2", "erase.between_reports"),
]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_loses_and_doubles_no_row_and_the_next_run_ends_the_work(
    tmp_path: Path, point: str
) -> None:
    fill(tmp_path)
    before = seen(tmp_path)
    plain = in_days(tmp_path)
    killed(tmp_path, point, ERASE)
    assert without_people(seen(tmp_path)).equals(without_people(before))
    assert in_days(tmp_path) == plain
    call(*ERASE, "--root", tmp_path)
    assert without_people(seen(tmp_path)).equals(without_people(before))
    assert seen(tmp_path)["operator"].eq("ann").sum() == 0
    assert not list(tmp_path.rglob("*.partial"))
    assert verify(tmp_path, TOPIC).problems == []
    tables = [pl.read_parquet(path) for path in (tmp_path / FOLDER).glob("*.parquet")]
    done = pl.concat(tables).filter("done")
    assert done["changed"].sum() == before["operator"].eq("ann").sum()
    assert done["file"].is_unique().all()


def test_every_fail_point_of_erasing_is_tried() -> None:
    folder = Path(sinks.history.__file__).parent
    named = {name for path in folder.glob("*.py") for name in re.findall(r"hit\(\"(\w+\.\w+)\"\)", path.read_text())}
    tried = {point.partition("@")[0] for point in [*POINTS, "retain.after_remove"]}
    assert {name for name in named if name.startswith(("erase.", "retain."))} == tried


@pytest.mark.parametrize("state", [LetterState.OPEN, LetterState.RESOLVED])
def test_dead_letters_that_are_done_with_lose_their_payload_and_open_ones_are_told(
    tmp_path: Path, state: LetterState
) -> None:
    fill(tmp_path)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    common = {"event_time": 1, "plant": "P1", "source": "f", "kind": "RECORD", "reason": "decode", "state": state}
    letters = [
        DeadLetter(event_id="1", detail="operator 'ann' is too short", payload=b'{"operator": "ann"}', **common),
        DeadLetter(event_id="2", detail="-", payload=b"\x00\x00\x00\x00\x01\x06annC62", **common),
        DeadLetter(event_id="3", detail="-", payload=b'{"operator": "hanna"}', **common),
    ]
    with Ledger(url, who="t") as ledger:
        ledger.put_dead_letters(letters)
    waits = state is LetterState.OPEN
    said = call(*ERASE, "--root", tmp_path, "--ledger", url, code=int(waits))
    assert said["ledger_letters"] == {"erased": 0 if waits else 2, "open": 2 if waits else 0}
    shown = call("query", "ledger_letter", "--root", tmp_path, "--ledger", url)
    assert shown[0]["detail"] == f"operator '{'ann' if waits else 'erased'}' is too short"
    changes = call("query", "ledger_audit", "--root", tmp_path, "--ledger", url)
    assert [each["why"] for each in changes] == ["request 17"] * (1 if waits else 3)


def test_dead_letters_of_a_run_on_files_lose_their_payload(tmp_path: Path) -> None:
    fill(tmp_path / "history")
    file = tmp_path / "dead_letters.parquet"
    pl.DataFrame(
        {"event_id": ["1", "2"], "payload": [b"O1;ann;5", b"O1;joann;5"], "detail": ["ann?", "ann?"]}
    ).write_parquet(file)
    call(*ERASE, "--root", tmp_path / "history", "--letters", file)
    assert pl.read_parquet(file).rows() == [("1", b"", "erased?"), ("2", b"O1;joann;5", "ann?")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--operator", "", "--reason", "x"], "name the person"),
        (["--operator", "ann", "--reason", ""], "say why"),
        (["--operator", "ann", "--reason", "ann asked"], "leave the person's name out"),
    ],
)
def test_a_run_that_would_erase_nothing_or_tell_the_name_is_refused(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(Misconfigured, match=message):
        call("history", "erase", "--root", tmp_path, *arguments)


def test_contracts_say_which_fields_are_personal() -> None:
    assert personal.personal_columns() == {"operator", "approved_by"}
    names = {field["name"] for each in contracts().values() for field in each.schema["fields"]}
    assert personal.personal_columns() <= names
