"""Summary of a run of confirmations on files: counts that reconcile, and what each operation has come to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from dataflows.file_summary import (
    Check,
    FileSummary,
    Records,
    by_kind,
    letters_by_reason,
    plain_quantity,
    record_counts,
    row_counts,
    rows_check,
)
from dataflows.files import Results
from dataflows.settings import EVENTS
from millrace.ledger.model import DeadLetter
from operators.confirmations import QUANTITIES, TIMES
from operators.routes import origin_parts

MEASURES = (*QUANTITIES, *TIMES)
OPERATION = ["plant", "order_id", "operation"]


@dataclass(frozen=True, slots=True)
class ConfirmationSummary(FileSummary):
    """A finished run in numbers.

    Args:
        files: By partition, rows by what became of them, and the records that they made.
        records: What became of the records of each contract.
        documents: Number of confirmations.
        operations: What each operation has come to; quantities in the order's unit, times in seconds.
        settings: Those that decide what comes out.
    """

    files: list[dict[str, Any]]
    records: dict[str, Records]
    documents: int
    operations: list[dict[str, Any]]
    settings: dict[str, Any]

    def told(self) -> dict[str, Any]:
        """Records, operations and files."""
        records = {
            name: {**{n: getattr(r, n) for n in Records.__slots__}, "in_no_total": r.in_no_total}
            for name, r in self.records.items()
        }
        return {
            "records": records,
            "documents": self.documents,
            "operations": self.operations,
            "files": self.files,
            "settings": self.settings,
        }


def summarize(results: Results) -> ConfirmationSummary:
    """Count what was read against what came out."""
    files = [
        {
            "partition": number,
            "file": file.file,
            **{name: getattr(file, name) for name in ("read", "mapped", "rejected", "filtered")},
            "records": dict(file.records),
        }
        for number, file in enumerate(results.account.files)
    ]
    rows, records = row_counts(results.account), _records(results)
    shown = ("flow", "window", "default_zone", "age_days", "future_s")
    return ConfirmationSummary(
        files=files,
        rows=rows,
        records=records,
        documents=results.documents.height,
        dead_letters=letters_by_reason(results.letters),
        alerts=by_kind(results.collected.alerts),
        operations=operations(results.documents),
        checks=_checks(rows, records, results),
        settings={name: getattr(results.settings, name) for name in shown},
    )


def _records(results: Results) -> dict[str, Records]:
    in_documents, given_up = _events(results.documents), events_given_up(results.collected.letters)
    return {
        name: Records(
            **record_counts(results.account, results.settings, name),
            in_documents=in_documents[name],
            given_up=given_up[name],
        )
        for name in EVENTS
        if any(file.records[name] for file in results.account.files)
    }


def _events(documents: pl.DataFrame) -> Counter[str]:
    """Events in documents, by contract."""
    origins = documents.select(pl.col("origins").explode()).drop_nulls().unnest("origins")
    return Counter(dict(origins.group_by("topic").agg(pl.col("events").sum()).iter_rows()))


def events_given_up(letters: Iterable[DeadLetter]) -> Counter[str]:
    """Events in totals that were given up, by contract."""
    found: Counter[str] = Counter()
    for letter in letters:
        for row in json.loads(letter.payload)["rows"] if letter.kind == "TOTAL" else ():
            if row["events"]:
                found[origin_parts(row["origin"])[0]] += row["events"]
    return found


def operations(documents: pl.DataFrame) -> list[dict[str, Any]]:
    """What each operation has come to: sums over its documents' last revisions, quantities as strings."""
    totals = documents.group_by(OPERATION).agg(
        pl.col("material").first(),
        pl.col("unit").first(),
        *(pl.col(name).sum() for name in MEASURES),
        pl.col("over_delivery").max(),
        pl.col("is_final").any(),
        pl.col("event_count").sum().alias("events"),
        pl.len().alias("documents"),
    )
    return [_plain(row) for row in totals.sort(OPERATION).to_dicts()]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain_quantity(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _checks(rows: dict[str, int], records: Mapping[str, Records], results: Results) -> list[Check]:
    found = [rows_check(rows)]
    for name, r in records.items():
        found.append(Check(f"{name}: records made", r.made, r.accepted + r.duplicates + r.dead))
        found.append(Check(f"{name}: accepted, in history", r.accepted, r.history))
        found.append(Check(f"{name}: counted more than once", 0, max(0, -r.in_no_total)))
    dead = rows["rejected"] + sum(r.dead for r in records.values())
    letters = results.letters.filter(pl.col("kind") == "RECORD").height
    return [*found, Check("dead letters of rows and records", dead, letters)]
