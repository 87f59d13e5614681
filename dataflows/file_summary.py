"""Summary of a run on files: counts that reconcile, and what each operation has come to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from dataflows.files import SUMMARY, Results
from dataflows.flow_settings import FlowSettings
from dataflows.settings import EVENTS
from millrace.ledger.model import DeadLetter
from operators.confirmations import QUANTITIES, TIMES
from operators.routes import origin_parts
from sinks.history.store import below, scan

MEASURES = (*QUANTITIES, *TIMES)
OPERATION = ["plant", "order_id", "operation"]


@dataclass(frozen=True, slots=True)
class Check:
    """One equation between two counts that were made apart from each other."""

    what: str
    expected: int
    found: int

    @property
    def ok(self) -> bool:
        """Both sides are equal."""
        return self.expected == self.found


@dataclass(frozen=True, slots=True)
class Records:
    """What became of the records of one contract.

    Args:
        made: Records that the files' rows made.
        accepted: Of these, accepted.
        duplicates: Of these, repeats of one that was accepted.
        dead: Of these, in the dead letters.
        in_documents: Of the accepted, counted in documents.
        given_up: Of the accepted, in totals that were given up.
        history: Rows of the contract in the history.
    """

    made: int
    accepted: int
    duplicates: int
    dead: int
    in_documents: int
    given_up: int
    history: int

    @property
    def in_no_total(self) -> int:
        """Accepted, but adding nothing: states outside jobs, first and unexplained readings of counters."""
        return self.accepted - self.in_documents - self.given_up


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run in numbers; plain values by `as_json`."""

    files: list[dict[str, Any]]
    rows: dict[str, int]
    records: dict[str, Records]
    documents: int
    dead_letters: list[dict[str, Any]]
    alerts: dict[str, int]
    operations: list[dict[str, Any]]
    checks: list[Check]
    settings: dict[str, Any]

    @property
    def reconciles(self) -> bool:
        """Every equation holds."""
        return all(check.ok for check in self.checks)

    @property
    def exit_status(self) -> int:
        """0 where every row was accepted, or left out on purpose; 1 where something needs a look."""
        return 0 if self.reconciles and not self.dead_letters else 1

    def as_json(self) -> dict[str, Any]:
        """Plain values; quantities as strings, in the order's unit, times in seconds."""
        records = {
            name: {**{n: getattr(r, n) for n in Records.__slots__}, "in_no_total": r.in_no_total}
            for name, r in self.records.items()
        }
        checks = [{"what": c.what, "expected": c.expected, "found": c.found, "ok": c.ok} for c in self.checks]
        return {
            "reconciles": self.reconciles,
            "rows": self.rows,
            "records": records,
            "documents": self.documents,
            "dead_letters": self.dead_letters,
            "alerts": self.alerts,
            "operations": self.operations,
            "files": self.files,
            "checks": checks,
            "settings": self.settings,
        }

    def write(self, folder: Path) -> None:
        """Write it last, under its own name at once: a folder with a summary is complete."""
        partial = folder / f".{SUMMARY}.partial"
        partial.write_text(json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        partial.rename(folder / SUMMARY)


def summarize(results: Results) -> Summary:
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
    rows = {n: sum(file[n] for file in files) for n in ("read", "mapped", "rejected", "filtered")}
    records = _records(results)
    shown = ("flow", "window", "default_zone", "age_days", "future_s")
    return Summary(
        files=files,
        rows=rows,
        records=records,
        documents=results.documents.height,
        dead_letters=letters_by_reason(results.letters),
        alerts=dict(sorted(Counter(alert["kind"] for alert in results.collected.alerts).items())),
        operations=operations(results.documents),
        checks=_checks(rows, records, results),
        settings={name: getattr(results.settings, name) for name in shown},
    )


def _records(results: Results) -> dict[str, Records]:
    made: Counter[str] = Counter()
    for file in results.account.files:
        made.update(file.records)
    counts = results.account.counts
    in_documents, given_up = _events(results.documents), events_given_up(results.collected.letters)
    return {
        name: Records(
            made=made[name],
            accepted=counts.get(f"accepted:{name}", 0),
            duplicates=counts.get(f"duplicates:{name}", 0),
            dead=sum(n for key, n in counts.items() if key.startswith(f"dead:{name}:")),
            in_documents=in_documents[name],
            given_up=given_up[name],
            history=history_rows(results.settings, name),
        )
        for name in EVENTS
        if made[name]
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


def history_rows(settings: FlowSettings, name: str) -> int:
    """Rows of a contract in the history of a run."""
    root = settings.history
    files = below(root / settings.topic(name), ".parquet") if root else []
    return sum(scan([found.path]).select(pl.len()).collect().item() for found in files)


def letters_by_reason(letters: pl.DataFrame) -> list[dict[str, Any]]:
    """Number of dead letters, and of the events that they stand for, by kind, reason and field at fault."""
    key = ["kind", "reason", "field"]
    counted = letters.group_by(key).agg(pl.len().alias("letters"), pl.col("events").sum())
    return counted.with_columns(pl.col("kind").cast(pl.String)).sort(key).to_dicts()


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
    return {name: f"{value.normalize():f}" if isinstance(value, Decimal) else value for name, value in row.items()}


def _checks(rows: Mapping[str, int], records: Mapping[str, Records], results: Results) -> list[Check]:
    found = [Check("rows read", rows["read"], rows["mapped"] + rows["rejected"] + rows["filtered"])]
    for name, r in records.items():
        found.append(Check(f"{name}: records made", r.made, r.accepted + r.duplicates + r.dead))
        found.append(Check(f"{name}: accepted, in history", r.accepted, r.history))
        found.append(Check(f"{name}: counted more than once", 0, max(0, -r.in_no_total)))
    dead = rows["rejected"] + sum(r.dead for r in records.values())
    letters = results.letters.filter(pl.col("kind") == "RECORD").height
    return [*found, Check("dead letters of rows and records", dead, letters)]
