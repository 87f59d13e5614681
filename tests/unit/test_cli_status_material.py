"""`millrace status --material`: how a material stands, as the flow last told the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from operators.replenishment import Shard
from sinks.ledger import LedgerPartition
from sinks.replenishment_batches import of_announced
from tests.flows.stock_records import Record, answer, at, balance, issue, material, order, receipt
from tests.property.shard_lives import config, given, micros

NUMBER = "P1||STEEL|RM01|1"


class Flow:
    """A shard that writes into a ledger."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self.shard = Shard(config(1, hold=False, approval_above=100))
        self.shard.material([material()])
        self._sink = LedgerPartition(self.url, "replenishment")

    def step(self, minutes: float, *records: Record) -> None:
        """Records, then time."""
        for record in records:
            for kind, rows in given(record)[0]:
                self.shard.take(kind, rows)
        self._sink.write_batch([of_announced(self.shard.tick(micros(at(minutes))))])

    def again(self, batches: Sequence[Any]) -> None:
        """What was written before is written once more, as after a crash."""
        self._sink.write_batch(list(batches))

    def status(self, *options: str) -> tuple[int, Any]:
        """Exit code and JSON of the command."""
        command = ["status", "--material", "STEEL", "--ledger", self.url, "--json", *options]
        done = CliRunner().invoke(app, command)
        return done.exit_code, json.loads(done.stdout)

    def close(self) -> None:
        self._sink.close()


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Flow]:
    made = Flow(tmp_path)
    yield made
    made.close()


def test_stock_projection_requests_and_what_they_wait_for(flow: Flow) -> None:
    flow.step(10, balance(0, 150, quality=7), issue(1, 5, 60))
    code, found = flow.status()
    assert code == 0
    (stock,) = found["stock"]
    wanted = {"on_hand": "90", "quality_hold": "7", "open_requests": "210", "projected": "300", "reorder_point": "100"}
    assert {name: stock[name] for name in wanted} == wanted
    assert stock["at"] == at(5).isoformat()
    (request,) = found["requests"]
    assert (request["request"], request["stage"], request["quantity"]) == (NUMBER, "triggered", "210")
    assert request["waits_for"] == ["approval (value not known)", "a purchase order for 210"]


def test_an_approved_request_waits_for_the_erp_and_then_for_the_supplier(flow: Flow) -> None:
    flow.step(10, balance(0, 150), issue(1, 5, 60))
    by = ["--ledger", flow.url, "--reason", "needed", "--who", "ann"]
    assert CliRunner().invoke(app, ["post", "approve", NUMBER, *by]).exit_code == 0
    flow.step(30, order(20, 210, request_number=NUMBER))
    waits = flow.status()[1]["requests"][0]["waits_for"]
    assert waits == ["posting to the ERP", "acknowledgement of 4500/10 by ACME"]


def test_what_is_closed_is_gone_and_what_is_written_again_does_not_come_back(flow: Flow) -> None:
    flow.step(10, balance(0, 150), issue(1, 5, 60))
    flow.step(30, order(20, 210, request_number=NUMBER), answer(25, 210))
    assert flow.status()[1]["requests"][0]["stage"] == "acknowledged"
    flow.step(60, receipt("R1", 50, 210))
    found = flow.status()[1]
    assert (found["requests"], found["stock"][0]["on_hand"]) == ([], "300")
    older = of_announced(Shard(config(1)).tick(0))
    older.standings = [
        {"plant": "P1", "name": "stock|STEEL|RM01", "material": "STEEL", "storage_location": "RM01", "instant": 0,
         "content": json.dumps({"on_hand": "1"})}
    ]  # fmt: skip
    flow.again([older])
    assert flow.status()[1]["stock"][0]["on_hand"] == "300"


def test_an_order_that_answers_no_request_is_shown_too(flow: Flow) -> None:
    flow.step(30, balance(0, 500), order(20, 40))
    (item,) = flow.status()[1]["requests"]
    assert (item["item"], item["waits_for"]) == ("4500/10", ["acknowledgement of 4500/10 by ACME"])


def test_a_material_or_plant_that_nobody_told_of_is_an_exit_code_of_its_own(flow: Flow) -> None:
    flow.step(10, balance(0, 500))
    assert flow.status("--plant", "P2") == (1, {"material": "STEEL", "stock": [], "requests": []})
    table = CliRunner().invoke(app, ["status", "--material", "GHOST", "--ledger", flow.url])
    assert (table.exit_code, table.stdout) == (1, "nothing is known of material GHOST\n")


def test_people_see_tables(flow: Flow) -> None:
    flow.step(10, balance(0, 150), issue(1, 5, 60))
    wide = {"COLUMNS": "250"}
    shown = CliRunner().invoke(app, ["status", "--material", "STEEL", "--ledger", flow.url], env=wide).stdout
    assert all(each in shown for each in (NUMBER, "triggered", "a purchase order for 210", "on hand", "RM01"))
