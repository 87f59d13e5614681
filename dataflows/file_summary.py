"""What summaries of runs on files have in common: counts that reconcile, and the file that says so."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from dataflows.file_run import SUMMARY
from dataflows.flow_settings import FlowSettings
from sinks.history.store import below, scan
from sources.file_lanes import FileAccount


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
class FileSummary:
    """A finished run in numbers.

    Args:
        rows: Rows of the files by what became of them.
        dead_letters: Their number by kind, reason and field.
        alerts: Alerts by kind.
        checks: Equations between counts that were made apart from each other.
    """

    rows: dict[str, int]
    dead_letters: list[dict[str, Any]]
    alerts: dict[str, int]
    checks: list[Check]

    @property
    def reconciles(self) -> bool:
        """Every equation holds."""
        return all(check.ok for check in self.checks)

    @property
    def exit_status(self) -> int:
        """0 where every row was accepted, or left out on purpose; 1 where something needs a look."""
        return 0 if self.reconciles and not self.dead_letters else 1

    def told(self) -> dict[str, Any]:
        """What the flow itself adds to `as_json`, plain values."""
        return {}

    def as_json(self) -> dict[str, Any]:
        """Plain values; quantities as strings."""
        return {
            "reconciles": self.reconciles,
            "rows": self.rows,
            **self.told(),
            "dead_letters": self.dead_letters,
            "alerts": self.alerts,
            "checks": [{"what": c.what, "expected": c.expected, "found": c.found, "ok": c.ok} for c in self.checks],
        }

    def write(self, folder: Path) -> None:
        """Write it last, under its own name at once: a folder with a summary is complete."""
        partial = folder / f".{SUMMARY}.partial"
        partial.write_text(json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        partial.rename(folder / SUMMARY)


def row_counts(account: FileAccount) -> dict[str, int]:
    """Rows of all files by what became of them."""
    return {n: sum(getattr(f, n) for f in account.files) for n in ("read", "mapped", "rejected", "filtered")}


def rows_check(rows: dict[str, int]) -> Check:
    """Every row that was read was mapped, rejected or left out."""
    return Check("rows read", rows["read"], rows["mapped"] + rows["rejected"] + rows["filtered"])


def record_counts(account: FileAccount, settings: FlowSettings, name: str) -> dict[str, int]:
    """Records of a contract: made, accepted, duplicates, dead and in the history."""
    counts = account.counts
    return {
        "made": sum(file.records[name] for file in account.files),
        "accepted": counts.get(f"accepted:{name}", 0),
        "duplicates": counts.get(f"duplicates:{name}", 0),
        "dead": sum(number for key, number in counts.items() if key.startswith(f"dead:{name}:")),
        "history": history_rows(settings, name),
    }


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


def by_kind(alerts: list[dict[str, Any]]) -> dict[str, int]:
    """Number of alerts by kind."""
    return dict(sorted(Counter(alert["kind"] for alert in alerts).items()))


def plain_quantity(value: Decimal) -> str:
    """A quantity without the contract's trailing zeros."""
    return f"{value.normalize():f}"
