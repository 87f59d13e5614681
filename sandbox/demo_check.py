"""Reconciles a demo's output folder: plant truth, ledger, ERP, history, dead letters, each from its place.

`python -m sandbox.demo_check FOLDER` does it again at any later time; exit status 1 where one piece differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import Connection, select

from millrace.ledger import Ledger
from millrace.ledger.confirmation import KIND, SCRAP
from millrace.ledger.tables import OPEN_LETTER, dead_letters, documents
from millrace.ledger.text import load_json, load_quantities
from operators.partials import MACHINE
from sandbox.demo_check_stock import READ, gather
from sandbox.demo_settings import FLOW, MOVEMENTS, REPLENISHMENT, ledger_url
from sandbox.erp_entities import Entities
from sandbox.erp_store import Store
from sandbox.plant_layout import ALL_TOPICS
from sandbox.procurement import TRUTH
from sandbox.reconcile import UNKNOWN_ORDER, Reconciliation, Sums, reconcile
from sandbox.reconcile_counts import Check, TopicCounts, count_history, topic_checks
from sandbox.reconcile_materials import Materials, reconcile_materials
from sandbox.report_tables import tables

#: Contracts whose accepted rows are kept as history; reference data is not.
EVENTS = ("MachineCycle", "MachineState", "OperationReport")
REFERENCES = ("WorkOrder", "Material")
CHECKED = (*EVENTS, *REFERENCES)
STOCK_EVENTS = tuple(name for name in READ[REPLENISHMENT] if name != "Material")
#: The work centre's activities as the connector books them by default, in seconds.
ACTIVITIES = {"activity1": "setup_time", "activity2": "machine_time", "activity3": "labour_time"}

Operation = tuple[str, str]


def reconcile_folder(folder: Path) -> Reconciliation:
    """Compare what a finished demo left behind; its processes need not run any more.

    A plant without a truth of its stock had no materials.
    """
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    kept = (folder / TRUTH).exists()
    store, history = Store(str(folder / "erp.db")), folder / "history"
    with Ledger(ledger_url(folder), who="demo") as ledger:
        return reconcile(
            truth,
            ledger=ledger.ask(desired),
            erp=booked(store),
            topics={**topic_counts(ledger, history), **(stock_counts(ledger, history) if kept else {})},
            waited_in_vain=ledger.ask(waited_in_vain),
            more=_read_again(ledger, truth) if kept else (),
            materials=_materials(folder, ledger, store) if kept else None,
        )


def _materials(folder: Path, ledger: Ledger, store: Store) -> Materials:
    stock = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    return reconcile_materials(stock, gather(ledger, Entities(store.database), folder / "history"))


def desired(connection: Connection) -> list[Sums]:
    """Desired totals per operation, summed over the ledger's confirmations."""
    columns = (documents.c.order_id, documents.c.operation, documents.c.quantities, documents.c.final)
    totals: dict[Operation, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    final: set[Operation] = set()
    confirmations = select(*columns).where(documents.c.kind == KIND)
    for order, operation, quantities, is_final in connection.execute(confirmations):
        _add(totals[order, operation], load_quantities(quantities))
        final |= {(order, operation)} if is_final else set()
    return [_sums(key, total, key in final, 0) for key, total in totals.items()]


def booked(store: Store) -> list[Sums]:
    """What the ERP shows per operation; a cancelled confirmation is no final one."""
    postings: dict[Operation, int] = defaultdict(int)
    final: set[Operation] = set()
    for entity in store.documents():
        key = (entity["OrderID"], entity["OrderOperation"])
        postings[key] += 1
        if entity["IsFinalConfirmation"] and not entity["IsReversal"] and not entity["IsReversed"]:
            final.add(key)
    totals = store.totals()
    return [_sums(key, totals.get(key, {}), key in final, count) for key, count in postings.items()]


def topic_counts(ledger: Ledger, history: Path) -> dict[str, TopicCounts]:
    """Per topic: the flow's own counts, dead letters as the ledger has them, rows as history has them."""
    return _topics(ledger, history, FLOW, CHECKED)


def stock_counts(ledger: Ledger, history: Path) -> dict[str, TopicCounts]:
    """The same of the topics that the flow of replenishment reads."""
    return _topics(ledger, history, REPLENISHMENT, STOCK_EVENTS)


def _topics(ledger: Ledger, history: Path, flow: str, names: Iterable[str]) -> dict[str, TopicCounts]:
    letters, totals = ledger.ask(_record_letters), ledger.flow_totals(flow)
    counts = {}
    for name in names:
        topic = ALL_TOPICS[name]
        rows = (None, None) if name in REFERENCES else count_history(history, topic)
        counts[topic] = _counts(totals, name, letters.get(topic, {}), *rows)
    return counts


def _counts(
    totals: Mapping[str, int], name: str, letters: Mapping[str, int], rows: int | None = None, events: int | None = None
) -> TopicCounts:
    read, accepted, duplicates = (totals.get(f"{what}:{name}", 0) for what in ("read", "accepted", "duplicates"))
    return TopicCounts(read, accepted, duplicates, letters, rows, events)


def _read_again(ledger: Ledger, truth: Mapping[str, Any]) -> Iterator[Check]:
    """Topics that more than one flow reads: each counts for itself."""
    letters = ledger.ask(_record_letters)
    for flow, names, title in ((MOVEMENTS, READ[MOVEMENTS], "movements"), (REPLENISHMENT, ("Material",), "stock")):
        totals = ledger.flow_totals(flow)
        for name in names:
            topic = ALL_TOPICS[name]
            found = _counts(totals, name, letters.get(topic, {}))
            yield from topic_checks(f"{topic} ({title})", truth["topics"].get(topic), found)


def waited_in_vain(connection: Connection) -> dict[str, int]:
    """Order -> cycles of its totals that were given up for want of the order."""
    query = select(dead_letters.c.payload).where(
        dead_letters.c.kind == "TOTAL",
        dead_letters.c.reason == UNKNOWN_ORDER,
        OPEN_LETTER,
    )
    waited: dict[str, int] = defaultdict(int)
    for payload in connection.scalars(query):
        total = load_json(payload)
        waited[total["order_id"]] += sum(row["events"] for row in total["rows"] if row["kind"] == MACHINE)
    return dict(waited)


def _record_letters(connection: Connection) -> dict[str, dict[str, int]]:
    letters: dict[str, dict[str, int]] = {}
    query = select(dead_letters.c.topic, dead_letters.c.reason).where(dead_letters.c.kind == "RECORD")
    for topic, reason in connection.execute(query):
        reasons = letters.setdefault(topic, {})
        reasons[reason] = reasons.get(reason, 0) + 1
    return letters


def _add(total: dict[str, Decimal], quantities: Mapping[str, Decimal]) -> None:
    for name, amount in quantities.items():
        total[name] += amount


def _sums(key: Operation, total: Mapping[str, Decimal], is_final: bool, postings: int) -> Sums:
    """Ledger and ERP name scrap `scrap:<reason>`, the ERP times by activity."""
    scrap = {name.removeprefix(SCRAP): amount for name, amount in total.items() if name.startswith(SCRAP)}
    measures = {ACTIVITIES.get(n, n): amount for n, amount in total.items() if not n.startswith(SCRAP)}
    return Sums(
        *key,
        measures={**measures, "scrap": sum(scrap.values(), Decimal(0))},
        is_final=is_final,
        scrap_by_reason=scrap,
        postings=postings,
    )


def main(arguments: Iterable[str] | None = None) -> int:
    """Reconcile a folder and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo_check", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="print the reconciliation as JSON")
    options: Any = parser.parse_args(None if arguments is None else list(arguments))
    result = reconcile_folder(options.folder)
    if options.json:
        sys.stdout.write(json.dumps(result.as_json(), indent=1) + "\n")
    else:
        Console().print(tables(result))
    return result.exit_status


if __name__ == "__main__":
    sys.exit(main())
