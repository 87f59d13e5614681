"""Files of a time that no flow has counted, into the ledger and the history."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from millrace import shutdown
from millrace.cli.replay import replay
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from tests.flows.replay_case import audited, in_ledger
from tests.flows.replay_case import settings as ledger_of
from tests.flows.test_file_run import CALENDAR, HEAD, MAPPING, ORDERS

app = typer.Typer()
app.command("replay")(replay)


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    shutdown.draining.clear()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in (("map.yaml", MAPPING), ("orders.csv", ORDERS), ("calendar.yaml", CALENDAR)):
        (tmp_path / name).write_text(text)
    settings = {"window": "shift", "history": f"{tmp_path}/history", "ledger": f"sqlite:///{tmp_path}/ledger.db"}
    (tmp_path / "flow.yaml").write_text(json.dumps(settings))
    Ledger(settings["ledger"]).close()
    (tmp_path / "a.csv").write_text(HEAD + "31.01.2026 23:30;M1;4711;10;\n01.02.2026 05:15;M1;4711;1;0,25\n")
    return tmp_path


def millrace(shop: Path, *more: object) -> tuple[int, dict[str, Any]]:
    given = ["confirmations", "--config", shop / "flow.yaml", "--calendar-file", shop / "calendar.yaml"]
    given += ["--order-file", shop / "orders.csv", "--out", shop / "out", *more, "--json"]
    result = CliRunner().invoke(app, list(map(str, given)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, json.loads(result.stdout[result.stdout.index("{\n") :])


def files(shop: Path, *names: str) -> list[object]:
    return [text for name in names for text in ("--input", shop / name, "--mapping", shop / "map.yaml")]


def live(shop: Path, *names: str) -> tuple[int, dict[str, Any]]:
    return millrace(shop, *files(shop, *names), "--into", "live", "--reason", "before go-live")


def test_a_dry_run_without_a_ledger_is_compared_with_nothing(shop: Path) -> None:
    (shop / "ledger.db").unlink()
    code, shown = millrace(shop, *files(shop, "a.csv"), "--dry-run")
    assert code == 0
    assert shown["no_ledger"].startswith("there is no ledger at")
    assert {row["why"] for row in shown["changes"]} == {"document_missing"}
    assert not (shop / "ledger.db").exists()


def test_files_of_a_time_before_the_flow_are_booked_once_and_found_by_a_replay(shop: Path) -> None:
    code, shown = millrace(shop, *files(shop, "a.csv"), "--dry-run")
    assert (code, shown["changes"][0]["why"], in_ledger(ledger_of(shop))) == (0, "document_missing", {})
    code, put = live(shop, "a.csv")
    assert (code, put["put"]) == (0, {"put": 1})
    assert json.loads(next(iter(in_ledger(ledger_of(shop)).values()))[1])["yield"] == "11.000000"
    assert audited(ledger_of(shop))[-1][1] == "before go-live"
    code, again = live(shop, "a.csv")
    assert (code, again["put"], again["same"]) == (0, {}, 1)
    assert pl.read_parquet(shop / "history" / "machine-cycle" / "**" / "*.parquet").height == 2
    code, replayed = millrace(shop, "--dry-run")
    assert (code, replayed["changes"], replayed["same"]) == (0, [], 1)


def test_what_a_flow_has_counted_from_other_events_is_held_back_as_a_whole(shop: Path) -> None:
    live(shop, "a.csv")
    before = in_ledger(ledger_of(shop))
    (shop / "b.csv").write_text(HEAD + "01.02.2026 00:30;M1;4711;5;\n05.02.2026 23:00;M1;4711;7;\n")
    code, refused = live(shop, "b.csv")
    assert (code, refused["put"], refused["into"]) == (1, None, None)
    assert {row["held"] for row in refused["changes"]} == {"counted", None}
    assert in_ledger(ledger_of(shop)) == before
    assert pl.read_parquet(shop / "history" / "machine-cycle" / "**" / "*.parquet").height == 2


def test_a_corrected_mapping_corrects_what_the_same_files_have_come_to(shop: Path) -> None:
    live(shop, "a.csv")
    (shop / "map.yaml").write_text(
        MAPPING.replace("quantity_scrap: {from: scrap, default", "quantity_scrap: {from: good, default")
    )
    code, put = live(shop, "a.csv")
    assert (code, put["changes"][0]["why"], put["put"]) == (0, "rules", {"put": 1})
    assert pl.read_parquet(shop / "history" / "machine-cycle" / "**" / "*.parquet").height == 2


def test_a_range_of_files_is_refused(shop: Path) -> None:
    with pytest.raises(Misconfigured, match="a backfill takes all that is in its files"):
        millrace(shop, *files(shop, "a.csv"), "--dry-run", "--order", "4711")
