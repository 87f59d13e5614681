"""Views over history and ledger together: what was posted when, and from which events."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.confirmation import desired_document
from sandbox.plant import Plant
from sandbox.plant_history import accepted, write_history
from tests.unit.ledger_desk import book_all, want

START = datetime(2026, 3, 2, 5, tzinfo=UTC)


class Booked:
    """A plant's morning, and a ledger with the confirmation of one of its operations, booked."""

    def __init__(self, folder: Path) -> None:
        self.root, self.ledger = folder / "history", f"sqlite:///{folder / 'ledger.db'}"
        plant = Plant(3, START, 4)
        write_history(plant, self.root)
        self.events = [r for name, r in accepted(plant) if name == "MachineCycle" and r["work_center"] == "CNC-41"]
        self.order = self.events[5]["order_id"]
        self.mine = [r for r in self.events if r["order_id"] == self.order]
        self.key = f"1010|{self.order}|0010|E"
        with Ledger(self.ledger, who="test") as ledger:
            want(ledger, desired_document(self._record()))
            book_all(ledger)

    def _record(self) -> dict[str, Any]:
        times = [r["event_time"] for r in self.mine]
        places = {r["partition"] for r in self.mine}
        spans = [[r["offset"] for r in self.mine if r["partition"] == place] for place in places]
        origins = [
            {
                "topic": "machine-cycle",
                "partition": place,
                "first_offset": min(span),
                "last_offset": max(span),
                "events": len(span),
            }
            for place, span in zip(places, spans, strict=True)
        ]
        zero = Decimal(0)
        return {
            "document_key": self.key,
            "plant": "1010",
            "order_id": self.order,
            "operation": "0010",
            "tier": 1,
            "work_center": "CNC-41",
            "material": "PIN-410",
            "shift": "E",
            "posting_date": date(2026, 3, 2),
            "revision": len(self.mine),
            "reference_version": 1,
            "window_start": START,
            "window_end": START,
            "quantity_yield": sum(r["quantity_good"] for r in self.mine),
            "quantity_rework": zero,
            "unit": "C62",
            "scrap": [{"reason": "DIM", "quantity": Decimal(2)}, {"reason": None, "quantity": Decimal(1)}],
            **dict.fromkeys(("setup_time", "machine_time", "labour_time"), zero),
            "first_event_time": min(times),
            "last_event_time": max(times),
            "event_count": len(self.mine),
            "over_delivery": zero,
            "adjustment": False,
            "origins": origins,
            "is_final": False,
        }

    def ask(self, name: str, *arguments: str) -> list[dict[str, Any]]:
        called = ["query", name, "--root", str(self.root), "--ledger", self.ledger, "--json", *arguments]
        result = CliRunner().invoke(app, called, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Booked:
    return Booked(tmp_path_factory.mktemp("booked"))


def test_lineage_goes_from_each_event_to_the_number_that_the_erp_gave(booked: Booked) -> None:
    rows = booked.ask("document_lineage", "--document", booked.key)
    events = [r for r in rows if r["stage"] == "1 event"]
    assert sorted(r["reference"] for r in events) == sorted(r["event_id"] for r in booked.mine)
    (document,) = [r for r in rows if r["stage"] == "2 document"]
    assert Decimal(document["good"]) == sum(Decimal(r["good"]) for r in events)
    (posting,) = [r for r in rows if r["stage"] == "3 posting"]
    assert posting["place"].endswith(" 1/1")
    assert [r["what"] for r in rows if r["stage"] == "4 change"][-1] == "booked"
    assert booked.ask("document_lineage", "--erp_document=1/1") == rows
    assert booked.ask("document_lineage", "--document", "nothing") == []


def test_the_lag_of_a_posting_is_its_booking_less_the_last_event(booked: Booked) -> None:
    (times,) = booked.ask("posting_times", "--order", booked.order)
    last = max(r["event_time"] for r in booked.mine)
    assert datetime.fromisoformat(times["last_event_time"]) == last
    waited = datetime.fromisoformat(times["booked_at"]) - last
    assert timedelta(seconds=float(times["event_to_booked"])) == waited
    (lag,) = booked.ask("posting_lag")
    assert (lag["postings"], lag["booked"], lag["event_max"]) == (1, 1, times["event_to_booked"])


def test_confirmed_pieces_are_those_of_the_documents(booked: Booked) -> None:
    (row,) = booked.ask("confirmed_by_shift", "--posting_from", "2026-03-02")
    good = sum(r["quantity_good"] for r in booked.mine)
    assert [Decimal(row[name]) for name in ("yield", "scrap", "booked_yield")] == [good, 3, good]
    assert booked.ask("confirmed_by_shift", "--posting_from", "2026-03-03") == []


def test_a_view_of_the_ledger_without_one_says_what_to_give(booked: Booked) -> None:
    called = ["query", "posting_lag", "--root", str(booked.root)]
    with pytest.raises(Misconfigured, match="give --ledger"):
        CliRunner().invoke(app, called, catch_exceptions=False)
