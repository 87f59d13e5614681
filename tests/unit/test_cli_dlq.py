"""`millrace dlq` and `millrace post retry | park | confirm-booked`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Misconfigured
from millrace.ledger import Ledger, Status
from millrace.ledger.desk import Desk
from millrace.ledger.letters import LetterFilter
from tests.conformance.erp_world import document
from tests.flows.memory import order
from tests.unit.ledger_desk import claim, finish, want
from tests.unit.letter_desk import one, record

WHY = ("--reason", "mended in the ERP", "--who", "ann")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.url, self.folder = f"sqlite:///{folder}/ledger.db", folder
        self.ledger = Ledger(self.url, who="test")

    def run(self, *arguments: object) -> Result:
        result = CliRunner().invoke(app, [*map(str, arguments), "--ledger", self.url], env={"COLUMNS": "300"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def json(self, *arguments: object) -> tuple[int, Any]:
        result = self.run(*arguments, "--json")
        return result.exit_code, json.loads(result.stdout)

    def rejected(self, orders: list[str]) -> None:
        want(self.ledger, *(document(1, each, **{"yield": "5"}) for each in orders))
        finish(self.ledger, claim(self.ledger), Status.REJECTED, reason="M7/021", detail="deficit of stock")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def test_a_list_shows_what_waits_with_class_reason_and_owner(bench: Bench) -> None:
    bench.ledger.put_dead_letters([record(1), record(2, "future_event_time", owner="moulding")])
    Desk(bench.ledger).discard(LetterFilter(ids=("machine-cycle/0/1",)), *_by())
    out = bench.run("dlq", "list").stdout
    assert "machine-cycle/0/2" in out
    assert "machine-cycle/0/1" not in out
    assert all(word in out for word in ("partner_data", "future_event_time", "moulding"))
    assert "discarded" in bench.run("dlq", "list", "--all").stdout


def test_where_there_are_none_a_sentence_says_so(bench: Bench) -> None:
    assert bench.run("dlq", "list").stdout == "no dead letters wait\n"
    assert bench.run("dlq", "list", "--counts", "--code", "order_unknown").stdout == "no dead letters of this kind\n"
    assert bench.json("dlq", "list") == (0, {"letters": [], "cursor": None})
    bench.ledger.put_dead_letters([record(1)])
    assert bench.run("dlq", "list", "--plant", "P9").stdout == "no dead letters of this kind\n"


def _by() -> list[Any]:
    from tests.unit.letter_desk import ANN

    return [ANN]


def test_pages_and_counts_are_there_as_json(bench: Bench) -> None:
    bench.ledger.put_dead_letters([record(n) for n in range(3)])
    code, page = bench.json("dlq", "list", "--limit", 2)
    assert (code, [letter["offset"] for letter in page["letters"]]) == (0, [2, 1])
    _, rest = bench.json("dlq", "list", "--limit", 2, "--cursor", page["cursor"])
    assert [letter["offset"] for letter in rest["letters"]] == [0]
    _, counts = bench.json("dlq", "list", "--counts")
    assert [(count["reason"], count["letters"]) for count in counts] == [("decode", 3)]


def test_show_reads_the_record_and_names_its_place(bench: Bench) -> None:
    bench.ledger.put_dead_letters([record(7, "future_event_time", payload=b'{"order_id": "4711"}')])
    out = bench.run("dlq", "show", "machine-cycle/0/7").stdout
    assert '"order_id": "4711"' in out
    assert "machine-cycle/0/7" in out


def test_bytes_that_nobody_can_read_are_shown_in_hexadecimal(bench: Bench) -> None:
    bench.ledger.put_dead_letters([record(7, payload=b"\x00\xff")])
    assert "00 ff" in bench.run("dlq", "show", "machine-cycle/0/7").stdout


def test_discarding_needs_a_selection_and_a_reason(bench: Bench) -> None:
    bench.ledger.put_dead_letters([record(1)])
    with pytest.raises(Misconfigured, match="--all"):
        bench.run("dlq", "discard", *WHY)
    assert bench.run("dlq", "discard", "--all").exit_code == 2
    assert bench.run("dlq", "discard", "--all", "--dry-run", *WHY).exit_code == 0
    assert one(bench.ledger, "machine-cycle/0/1").state == "open"
    assert bench.json("dlq", "discard", "--all", *WHY)[1]["done"] == ["machine-cycle/0/1"]
    assert one(bench.ledger, "machine-cycle/0/1").state == "discarded"


def test_a_record_without_kafka_in_the_settings_is_left_out_with_a_sentence_and_code_1(bench: Bench) -> None:
    bench.ledger.put_dead_letters([record(1)])
    result = bench.run("dlq", "replay", "--all", *WHY)
    assert result.exit_code == 1
    assert "settings with its Kafka are needed" in result.stdout


def test_totals_are_replayed_with_orders_from_a_file(bench: Bench, tmp_path: Path) -> None:
    from tests.flows.test_total_documents import ran

    bench.ledger.put_dead_letters(list(ran([order("OTHER")]).letters.values()))
    (tmp_path / "orders.json").write_text(json.dumps([order("O1")], default=str))
    result = bench.run("dlq", "replay", "--code", "order_unknown", "--order-file", tmp_path / "orders.json", *WHY)
    assert result.exit_code == 0, result.stdout
    assert {letter.state for letter in Desk(bench.ledger).list(LetterFilter()).letters} == {"resolved"}


def test_rejected_documents_of_one_reason_are_retried_together(bench: Bench) -> None:
    bench.rejected(["1", "2", "3"])
    code, report = bench.json("post", "retry", "--code", "M7/021", "--most", 2, *WHY)
    assert (code, len(report["done"]), report["finished"]) == (1, 2, False)
    code, report = bench.json("post", "retry", "--code", "M7/021", *WHY)
    assert (code, len(report["done"]), report["resumed"]) == (0, 1, 2)


def test_single_postings_are_retried_by_name_and_the_others_go_on_when_one_is_left_out(bench: Bench) -> None:
    bench.rejected(["1", "2"])
    result = bench.run("post", "retry", "P1|1|0010|1", "P1|2|0010|1", *WHY)
    assert (result.exit_code, result.stdout.count("rejected to new")) == (0, 2)
    result = bench.run("post", "retry", "P1|1|0010|1", *WHY)
    assert result.exit_code == 1
    assert "nothing waits for a person" in result.stdout


def test_parking_and_confirming(bench: Bench) -> None:
    want(bench.ledger, document(1, "1", **{"yield": "5"}))
    [step] = claim(bench.ledger)
    finish(bench.ledger, [step], Status.UNKNOWN)
    assert bench.run("post", "park", step.external_reference, *WHY).exit_code == 0
    result = bench.run("post", "confirm-booked", step.external_reference, "--number", "77/1", *WHY)
    assert f"posting {step.external_reference} of document P1|1|0010|1: parked to booked" in result.stdout
    [report] = bench.ledger.order_report("1")
    assert [(row["who"], row["to_status"]) for row in report.audit][-2:] == [("ann", "parked"), ("ann", "booked")]


def test_the_user_of_the_computer_stands_in_the_audit_where_nobody_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "bob")
    bench.ledger.put_dead_letters([record(1)])
    bench.run("dlq", "discard", "machine-cycle/0/1", "--reason", "test record")
    assert [row["who"] for row in Desk(bench.ledger).show("machine-cycle/0/1").report.audit] == ["bob"]


def test_a_time_that_is_none_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(Misconfigured, match="--since: 'yesterday'"):
        bench.run("dlq", "list", "--since", "yesterday")


def test_post_without_a_command_is_the_poster(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "post.yaml").write_text("ledger: x\nsystems: []\n")
    with pytest.raises(Misconfigured, match=r"post.yaml:2: systems"):
        CliRunner().invoke(app, ["post", "--config", str(tmp_path / "post.yaml")], catch_exceptions=False)
    with pytest.raises(Misconfigured, match="stands behind the command"):
        bench.run("post", "--config", tmp_path / "post.yaml", "park", "x", *WHY)


@pytest.mark.parametrize(("option", "known"), [("--state", "discarded"), ("--kind", "POSTING"), ("--class", "mapping")])
def test_a_name_that_no_letter_can_have_is_refused_with_those_that_it_can(
    bench: Bench, option: str, known: str
) -> None:
    done = CliRunner().invoke(app, ["dlq", "list", option, "strange", "--ledger", bench.url])
    assert isinstance(done.exception, Misconfigured)
    assert "'strange' is none of" in str(done.exception)
    assert known in str(done.exception)
