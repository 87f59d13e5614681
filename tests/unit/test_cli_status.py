from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from millrace.cli.status import status, trace
from millrace.errors import Misconfigured
from millrace.ledger import DeadLetter, Ledger, Status
from millrace.ledger.difference import PostingRules
from millrace.ledger.model import DesiredDocument, Outcome
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.parquet import HistoryWriter
from tests.conformance.erp_world import SYSTEM, document

app = typer.Typer()
app.command("status")(status)
app.command("trace")(trace)
RULES = PostingRules(lambda _name, _attributes: Decimal("0.001"), lambda amounts: [amounts])
START = datetime(2026, 3, 2, 5, tzinfo=UTC)


class Bench:
    """A ledger on disk and the commands that look at it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/ledger.db"
        self.ledger = Ledger(self.url, who="test")

    def want(self, *documents: DesiredDocument) -> None:
        self.ledger.put_desired(documents)
        self.ledger.intake(lambda _plant, _kind: SYSTEM)

    def settle(self, outcome: Status, **more: Any) -> None:
        steps = self.ledger.claim(SYSTEM, 10, RULES)
        assert steps
        self.ledger.record_outcomes([Outcome(step, outcome, **more) for step in steps])

    def run(self, *arguments: object) -> Result:
        result = CliRunner().invoke(app, [*map(str, arguments), "--ledger", self.url], env={"COLUMNS": "400"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        result = self.run(*arguments, "--json")
        return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def confirmation(revision: int = 3, order: str = "4711", **amounts: str) -> DesiredDocument:
    plain = document(1, order, revision, plant="0100", **amounts or {"yield": "5"})
    window = {
        "window_start": START.isoformat(),
        "window_end": (START + timedelta(hours=8)).isoformat(),
        "origins": [{"topic": "MachineCycle", "partition": 2, "first_offset": 7, "last_offset": 19, "events": 3}],
    }
    return dataclasses.replace(plain, attributes={**plain.attributes, **window})


def letter(order: str, number: int = 1) -> DeadLetter:
    return DeadLetter(
        event_id=f"l{number}",
        event_time=1_772_427_600_000_000,
        plant="0100",
        source="confirmations",
        kind="TOTAL",
        reason="order_unknown",
        detail=f"order {order} is not known",
        document_key=f"0100|{order}|0010|M1|E|0",
        events=12,
    )


# -- status


def test_an_empty_ledger_needs_no_look(bench: Bench) -> None:
    code, found = bench.json("status")
    assert (code, found["documents"], found["needs_a_look"]) == (0, {}, [])
    assert "nothing is left to book" in bench.run("status").stdout


def test_work_that_waits_for_a_poster_is_told_with_its_age(bench: Bench) -> None:
    bench.want(confirmation())
    bench.ledger.put_desired([document(2, "4712")])
    code, found = bench.json("status")
    waits = {(row["what"], row["waits_for"]): row["count"] for row in found["waiting"]}
    assert (code, waits) == (0, {("documents", "a poster to take them in"): 1, ("orders", "a poster"): 1})
    assert 0 <= found["oldest_unsettled_s"] < 60


def test_a_rejected_document_needs_a_look(bench: Bench) -> None:
    bench.want(confirmation())
    bench.settle(Status.REJECTED, reason="locked", detail="period closed")
    code, found = bench.json("status")
    assert (code, found["needs_a_look"]) == (1, ["1 documents are rejected"])
    assert [(r["system"], r["status"], r["count"]) for r in found["postings"]] == [(SYSTEM, "rejected", 1)]
    assert found["dead_letters"] == {"locked": 1}
    shown = bench.run("status")
    assert (shown.exit_code, "needs a look: 1 documents are rejected" in shown.stdout) == (1, True)


def test_an_unknown_posting_needs_a_look_only_when_it_stays_so(bench: Bench) -> None:
    bench.want(confirmation())
    bench.settle(Status.UNKNOWN, reason="timeout", failed=True)
    assert bench.json("status")[0] == 0
    code, found = bench.json("status", "--unknown-after", "-1")
    assert (code, found["needs_a_look"]) == (
        1,
        [f"postings of system {SYSTEM} are unknown, the oldest for 0 s"],
    )


def test_lanes_tell_their_running_totals(bench: Bench) -> None:
    counts = {"read:MachineCycle": 9, "accepted:MachineCycle": 6, "duplicates:MachineCycle": 1}
    dead = {"dead:MachineCycle:truncated": 1, "dead:MachineCycle:future_event_time": 1}
    bench.ledger.put_flow_counts("confirmations", {"lane-00": {**counts, **dead}, "lane-01": counts})
    _, found = bench.json("status")
    assert found["flows"]["confirmations"]["total"]["read:MachineCycle"] == 18
    rows = re.findall(r"(\S+) +│ MachineCycle │ +(\d+) │ +(\d+) │ +(\d+) │ +(\d+)", bench.run("status").stdout)
    assert rows == [
        ("lane-00", "9", "6", "1", "2"),
        ("lane-01", "9", "6", "1", "0"),
        ("all", "18", "12", "2", "2"),
    ]


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/typo.db"
    result = CliRunner().invoke(app, ["status", "--ledger", url])
    assert isinstance(result.exception, Misconfigured)
    assert "typo.db'; `millrace ledger upgrade` makes one" in str(result.exception)
    assert not (tmp_path / "typo.db").exists()


@pytest.mark.parametrize(("url", "sentence"), [("nonsense", "no URL of a database"), (None, "give its URL")])
def test_a_ledger_that_cannot_be_named_is_a_wrong_use(url: str | None, sentence: str) -> None:
    result = CliRunner().invoke(app, ["status", *(["--ledger", url] if url else [])])
    assert isinstance(result.exception, Misconfigured)
    assert sentence in str(result.exception)


def test_the_ledger_is_taken_from_the_flows_settings(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "flow.yaml").write_text(f"ledger: {bench.url}\n")
    result = CliRunner().invoke(app, ["status", "--config", str(tmp_path / "flow.yaml"), "--json"])
    assert (result.exit_code, json.loads(result.stdout)["documents"]) == (0, {})


# -- trace


def test_an_order_is_followed_to_its_erp_documents(bench: Bench) -> None:
    bench.want(confirmation(revision=3))
    bench.settle(Status.UNKNOWN, reason="timeout", detail="no answer", failed=True)
    bench.settle(Status.BOOKED, erp_document="77/1")
    bench.want(confirmation(revision=5, **{"yield": "8"}))
    bench.settle(Status.BOOKED, erp_document="77/2")
    assert bench.ledger.claim(SYSTEM, 10, RULES) == []
    text = bench.run("trace", "4711").stdout
    for sentence in (
        "plant 0100, operation 0010",
        "shift E, window 2026-03-02 05:00:00Z to 2026-03-02 13:00:00Z, posted on 2026-03-02: settled",
        "revision 5 (order version 1): yield 8 C62",
        "from 3 MachineCycle, partition 2, offsets 7 to 19",
        "step 1 book of revision 3 in sap: booked, ERP document 77/1, 1 attempts, yield 5",
        "in_flight to unknown by test: no answer",
        "step 2 book of revision 5 in sap: booked, ERP document 77/2, 1 attempts, yield 3",
    ):
        assert sentence in text
    code, found = bench.json("trace", "4711")
    [shown] = found["documents"]
    assert (code, shown["revision"], shown["booked"]) == (0, 5, {"yield": "8"})
    assert [posting["erp_document"] for posting in shown["postings"]] == ["77/1", "77/2"]


def test_the_history_adds_the_events_that_name_the_order(bench: Bench, tmp_path: Path) -> None:
    bench.want(confirmation())
    _history(tmp_path / "history")
    _, found = bench.json("trace", "4711", "--history", tmp_path / "history")
    [cycles] = found["events"]["MachineCycle"]
    assert (cycles["partition"], cycles["events"], cycles["first_offset"], cycles["last_offset"]) == (
        2,
        4,
        7,
        13,
    )
    assert (cycles["first"], cycles["last"]) == ("2026-03-02T05:00:00+00:00", "2026-03-02T14:00:00+00:00")
    assert found["documents"][0]["history_events"] == {"MachineCycle": 3}
    text = bench.run("trace", "4711", "--history", tmp_path / "history").stdout
    assert "MachineCycle: 4 events, 2026-03-02 05:00:00Z to 2026-03-02 14:00:00Z" in text
    assert "3 MachineCycle in the history name the order in this window" in text


def test_an_order_that_only_dead_letters_know_is_shown_with_them(bench: Bench) -> None:
    bench.ledger.put_dead_letters([letter("4711"), letter("47", 2), letter("4711%", 3)])
    code, found = bench.json("trace", "4711")
    assert (code, [found["event_id"] for found in found["dead_letters"]]) == (0, ["l1"])
    text = bench.run("trace", "4711").stdout
    assert "TOTAL order_unknown: order 4711 is not known, 12 events" in text
    assert "no document in the ledger" in text


def test_an_unknown_order_is_one_sentence(bench: Bench, tmp_path: Path) -> None:
    _history(tmp_path / "history")
    result = bench.run("trace", "0815")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "millrace: order '0815' is not known to the ledger\n"
    with_history = bench.run("trace", "0815", "--history", tmp_path / "history")
    assert with_history.exit_code == 1
    assert "the ledger and the history" in with_history.stderr


def test_a_history_that_is_not_there_is_named(bench: Bench, tmp_path: Path) -> None:
    bench.want(confirmation())
    with pytest.raises(Misconfigured, match="there is no folder"):
        bench.run("trace", "4711", "--history", tmp_path / "no")


def _history(root: Path) -> None:
    """Four cycles of order 4711, one of them after its window, and one of another order."""
    empty = pl.DataFrame(schema=polars_schema(contract("MachineCycle")))
    times = [START + timedelta(hours=hours) for hours in (0, 1, 7, 9, 1)]
    orders = ["4711"] * 4 + ["4712"]
    named = {"plant": ["0100"] * 5, "event_time": times, "order_id": orders}
    frame = pl.concat([empty, pl.DataFrame(named)], how="diagonal_relaxed").with_columns(
        pl.Series("origin", [(1 << 16) | 2] * 5, pl.Int32), pl.Series("offset", [7, 9, 11, 13, 15])
    )
    writer = HistoryWriter(root, "confirmations", "lane-00", {"MachineCycle": "machine-cycle"}, lambda: "g1")
    writer.restore(None)
    writer.write("MachineCycle", frame)
    writer.sync()
