"""`millrace replay` as a user calls it, and killed at each of its fail points."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from dataflows import replay_apply
from millrace import shutdown
from millrace.cli.replay import replay
from millrace.errors import Misconfigured
from tests.flows import replay_case as case
from tests.flows.memory import START

app = typer.Typer()
app.command("replay")(replay)
ROOT = Path(__file__).parents[2]
#: One document in a transaction.
ONE_RUN = """
import sys
import dataflows.replay_apply
from millrace.cli.app import main
dataflows.replay_apply.AT_ONCE = 1
main()
"""
POINTS = ["replay.before_compute", "replay.after_batch@5", "replay.before_computed", "replay.after_put"]


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """A replay takes over the signals of its process; the tests' own go on afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    shutdown.draining.clear()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    case.run_flow(folder, case.records(11, 12), case.settings(folder))
    return folder


def copied(plant: Path, folder: Path) -> list[str]:
    """Settings with a changed counter rule over a copy of the plant's ledger, and the options that name them."""
    (folder / "ledger.db").write_bytes((plant / "ledger.db").read_bytes())
    settings = {
        "window": "1h",
        "lateness_s": 60,
        "horizon_h": 6,
        "default_zone": "UTC",
        "shards": 2,
        "ring": 8,
        "work_center_shards": 4,
        "history": str(plant / "history"),
        "ledger": f"sqlite:///{folder}/ledger.db",
        "counters": [{"policy": {"lower": "reset", "reset_below": 10}}],
    }
    (folder / "flow.yaml").write_text(json.dumps(settings))
    (folder / "orders.jsonl").write_text("".join(json.dumps(row, default=str) + "\n" for row in case.known_orders()))
    given = ["confirmations", "--config", folder / "flow.yaml", "--order-file", folder / "orders.jsonl"]
    return [*map(str, given), "--out", str(folder / "out")]


def millrace(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit code and outcome; raises what the command raises."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout[result.stdout.index("{\n") :])


def test_a_dry_run_shows_what_would_change_and_a_live_one_puts_it(plant: Path, tmp_path: Path) -> None:
    given = copied(plant, tmp_path)
    before = case.in_ledger(case.settings(tmp_path))
    code, shown = millrace(*given, "--dry-run")
    assert (code, shown["put"], case.in_ledger(case.settings(tmp_path))) == (0, None, before)
    table = pl.read_parquet(tmp_path / "out" / "changes.parquet")
    assert table.height == sum(row["documents"] for row in shown["changes"]) > 0
    assert set(table["why"]) == {"rules"}
    assert shown["speed"]["times_as_fast"] > 10
    code, put = millrace(*given, "--into", "live", "--reason", "counters fall back to zero")
    assert (code, put["put"], put["resumed"]) == (0, {"put": table.height}, True)
    changed = {key for key, value in case.in_ledger(case.settings(tmp_path)).items() if value != before[key]}
    assert changed == set(table.filter(pl.col("differences").list.len() > 0)["document_key"])
    assert millrace(*given, "--dry-run")[1]["changes"] == []


@pytest.mark.parametrize("named", [True, False], ids=["not there yet", "not named"])
def test_without_a_ledger_every_document_would_be_new(named: bool, plant: Path, tmp_path: Path) -> None:
    given = copied(plant, tmp_path)
    settings = json.loads((tmp_path / "flow.yaml").read_text())
    (tmp_path / "flow.yaml").write_text(json.dumps({**settings, "ledger": settings["ledger"] if named else None}))
    known = case.in_ledger(case.settings(tmp_path))
    (tmp_path / "ledger.db").unlink()
    code, shown = millrace(*given, "--dry-run")
    assert (code, shown["no_ledger"].rpartition(": ")[2]) == (
        0,
        "compared with nothing, so every document would be new",
    )
    assert {(row["change"], row["why"]) for row in shown["changes"]} == {("new", "document_missing")}
    assert 0 < len(known) * 0.8 < sum(row["documents"] for row in shown["changes"]) + shown["open"]
    _, scratch = millrace(*given, "--into", "scratch")
    assert len(case.in_ledger(case.settings(tmp_path, ledger=scratch["ledger"]))) > len(known) * 0.8
    with pytest.raises(Misconfigured, match=r"there is no ledger at|--ledger: give its URL"):
        millrace(*given, "--into", "live", "--reason", "x")
    assert not (tmp_path / "ledger.db").exists()


def test_tables_for_people_name_order_reason_and_amount(plant: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*copied(plant, tmp_path), "--dry-run"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "rules" in result.stdout
    assert "yield" in result.stdout
    assert "times as fast as they came in" in result.stdout


def test_a_range_of_one_order_goes_into_a_scratch_ledger(plant: Path, tmp_path: Path) -> None:
    given = copied(plant, tmp_path)
    before = case.in_ledger(case.settings(tmp_path))
    asked = ["--from", START.isoformat(), "--to", "2026-03-02T12:00Z", "--order", "O1", "--plant", "P1"]
    _, outcome = millrace(*given, *asked, "--into", "scratch")
    scratch = case.in_ledger(case.settings(tmp_path, ledger=outcome["ledger"]))
    assert {key.split("|")[1] for key in scratch} == {"O1"}
    assert Path(outcome["history"]).is_dir()
    assert case.in_ledger(case.settings(tmp_path)) == before


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ((), "say --dry-run to compare only"),
        (("--into", "live"), "--reason: a live replay changes what is booked"),
        (("--dry-run", "--from", "yesterday"), "--from: 'yesterday' is no date or instant"),
        (("--dry-run", "--plant", "P9"), "holds no rows"),
        (("--dry-run", "--order-file", "no.jsonl"), "there is no such file"),
    ],
)
def test_wrong_use_is_one_sentence(more: tuple[str, ...], sentence: str, plant: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        millrace(*copied(plant, tmp_path), *more)


@pytest.mark.parametrize("point", POINTS)
def test_a_replay_that_is_killed_goes_on_without_loss_or_repeat(point: str, plant: Path, tmp_path: Path) -> None:
    given = [*copied(plant, tmp_path), "--into", "live", "--reason", "killed"]
    killed = subprocess.run(
        [sys.executable, "-c", ONE_RUN, "replay", *given],
        env={"MILLRACE_FAILPOINT": point},
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    millrace(*given)
    assert millrace(*given)[1]["changes"] == []
    told = [key for key, _ in case.audited(case.settings(tmp_path)) if key is not None]
    assert len(told) == len(set(told)) > 0


def test_every_fail_point_of_a_replay_is_tried() -> None:
    """Before a transaction is after the one before it."""
    sources = [ROOT / "sources" / "history.py", *(ROOT / "dataflows").glob("replay*.py")]
    named = {text.partition('"')[0] for path in sources for text in path.read_text().split('hit("')[1:]}
    assert named == {point.partition("@")[0] for point in POINTS}
    assert replay_apply.AT_ONCE > 1
