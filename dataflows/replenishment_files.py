"""The replenishment flow on finite files: same rules, no broker, no ledger, no recovery store.

Everything is read before anything is judged, so the order of files and rows does not matter.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from bytewax.outputs import Sink

from dataflows.file_summary import Check, letters_by_reason
from dataflows.files import EPOCH_S, SUMMARY, FileRun, finite, finite_lanes, prepare
from dataflows.replenishment import lane_builder, wire
from dataflows.replenishment_settings import ReplenishmentSettings
from dataflows.run import run
from millrace.errors import MillraceError
from millrace.shutdown import draining
from operators.replenishment_crossings import SIGNAL
from operators.replenishment_request import CONTRACT
from operators.stock import STOCK_KEY
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks import files as sink
from sinks.batches import Batch
from sinks.dead_letter import alert_record
from sinks.ledger import document_records
from sinks.projections import projection_rows
from sources.file_lanes import LANE, FileAccount, FileLanes
from sources.file_reference import FileReference, read_reference
from sources.files import find_files


@dataclass(frozen=True, slots=True)
class ReplenishmentSummary:
    """A finished run in numbers.

    Args:
        rows: Rows of the files by what became of them.
        records: By contract: records made, accepted, duplicates, dead and in the history.
        stock: The newest row of SIGNAL of each place.
        requests: Records of ReplenishmentRequest.
        dead_letters: Their number by kind, reason and field.
        alerts: Alerts that stand in the end, by kind.
        checks: Equations between counts that were made apart from each other.
    """

    rows: dict[str, int]
    records: dict[str, dict[str, int]]
    stock: pl.DataFrame
    requests: pl.DataFrame
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

    def as_json(self) -> dict[str, Any]:
        """Plain values; quantities as strings, in base units."""
        asked = ["request_number", "crossed_at", "quantity", "unit", "projected", "reorder_point", "delivery_date"]
        return {
            "reconciles": self.reconciles,
            "rows": self.rows,
            "records": self.records,
            "stock": [_plain(row) for row in self.stock.to_dicts()],
            "requests": [_plain(row) for row in self._standing().select(asked).to_dicts()],
            "dead_letters": self.dead_letters,
            "alerts": self.alerts,
            "checks": [{"what": c.what, "expected": c.expected, "found": c.found, "ok": c.ok} for c in self.checks],
        }

    def _standing(self) -> pl.DataFrame:
        """Requests that were not withdrawn."""
        return self.requests.filter(~pl.col("withdrawn").any().over("document_key"))

    def write(self, folder: Path) -> None:
        """Write it last, under its own name at once: a folder with a summary is complete."""
        partial = folder / f".{SUMMARY}.partial"
        partial.write_text(json.dumps(self.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        partial.rename(folder / SUMMARY)


def _plain(row: dict[str, Any]) -> dict[str, str | None]:
    """Quantities without the contract's trailing zeros, instants as ISO 8601."""
    return {name: None if value is None else _text(value) for name, value in row.items()}


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else str(value)


def run_replenishment_files(
    settings: ReplenishmentSettings, what: FileRun, heard: Callable[[int], None]
) -> ReplenishmentSummary:
    """Run to the end of the files and write the results, but for the summary.

    Args:
        settings: Settings of the flow; those of brokers, ledger and recovery play no part.
        what: Inputs, materials and folder.
        heard: Told the number of rows of each batch.

    Raises:
        Misconfigured: Settings, a mapping or a file is wrong, or the folder is in use.
        MillraceError: A signal ended the run early; the folder then holds no summary.
    """
    settings = finite(settings, what.out)
    account, collected = FileAccount(heard=heard), sink.Collected()
    for given in what.inputs:
        find_files(given.path)
    materials = [("Material", read_reference(path, "Material")) for path in what.materials]
    lanes = FileLanes(what.inputs, finite_lanes(lane_builder(settings, {})), account)
    sinks: dict[str, Sink[Batch]] = {"collect": sink.CollectSink(collected)}
    flow = wire(settings, lanes, FileReference(materials), sinks, [LANE], hold=False)
    prepare(what.out, overwrite=what.overwrite)
    run(flow, None, epoch_s=EPOCH_S, workers=what.workers)
    if account.failure is not None:
        raise account.failure
    if draining.is_set():
        raise MillraceError(f"{what.out}: interrupted, the results are incomplete and have no {SUMMARY}")
    return _results(settings, what.out, account, collected)


def _results(
    settings: ReplenishmentSettings, out: Path, account: FileAccount, collected: sink.Collected
) -> ReplenishmentSummary:
    letters = sink.letters_frame(collected.letters, [file.file for file in account.files], account.fields)
    requests = _frame(CONTRACT, [r for frame in collected.documents for r in document_records(frame, settings.flow)])
    alerts = _frame("Alert", [alert_record(alert, settings.flow) for alert in collected.alerts])
    signal = pl.concat([pl.DataFrame(schema=SIGNAL), *collected.projections]).sort("instant")
    projections = projection_rows(signal, settings.flow).drop("origin", "offset")
    frames = {"documents/ReplenishmentRequest": requests, "dead_letters": letters, "alerts": alerts}
    for name, frame in {**frames, "stock_projection": projections}.items():
        path = out / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path, compression="zstd")
    rows = {n: sum(getattr(f, n) for f in account.files) for n in ("read", "mapped", "rejected", "filtered")}
    records = {name: _records(settings, account, name) for name in settings.reads()}
    made = {name: counts for name, counts in records.items() if counts["made"]}
    newest = signal.unique(list(STOCK_KEY), keep="last", maintain_order=True).sort(list(STOCK_KEY))
    standing = (
        alerts.sort("event_time", "closed").unique(["plant", "kind", "subject"], keep="last").filter(~pl.col("closed"))
    )
    kinds = dict(sorted(Counter(standing["kind"]).items()))
    checks = _checks(rows, made, letters)
    return ReplenishmentSummary(rows, made, newest, requests, letters_by_reason(letters), kinds, checks)


def _records(settings: ReplenishmentSettings, account: FileAccount, name: str) -> dict[str, int]:
    counts = account.counts
    files = sorted((Path(str(settings.history)) / settings.topic(name)).rglob("*.parquet"))
    return {
        "made": sum(file.records[name] for file in account.files),
        "accepted": counts.get(f"accepted:{name}", 0),
        "duplicates": counts.get(f"duplicates:{name}", 0),
        "dead": sum(number for key, number in counts.items() if key.startswith(f"dead:{name}:")),
        "history": sum(pl.scan_parquet(file).select(pl.len()).collect().item() for file in files),
    }


def _checks(rows: dict[str, int], records: dict[str, dict[str, int]], letters: pl.DataFrame) -> list[Check]:
    checks = [Check("rows read", rows["read"], rows["mapped"] + rows["rejected"] + rows["filtered"])]
    for name, of in records.items():
        checks.append(Check(f"{name}: records made", of["made"], of["accepted"] + of["duplicates"] + of["dead"]))
        checks.append(Check(f"{name}: accepted, in history", of["accepted"], of["history"]))
    dead = rows["rejected"] + sum(of["dead"] for of in records.values())
    checks.append(Check("dead letters of rows and records", dead, letters.filter(pl.col("kind") != "TOTAL").height))
    return checks


def _frame(name: str, records: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(records, schema=polars_schema(contract(name)))
