"""The replenishment flow on finite files: same rules, no broker, no ledger, no recovery store.

Everything is read before anything is judged, so the order of files and rows does not matter.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows.file_run import FileRun, Finished, finite_lanes, run_to_end
from dataflows.file_summary import Check, by_kind, letters_by_reason, record_counts, row_counts, rows_check
from dataflows.replenishment import lane_builder, wire
from dataflows.replenishment_settings import ReplenishmentSettings
from dataflows.replenishment_summary import ReplenishmentSummary
from operators.replenishment_crossings import SIGNAL
from operators.replenishment_request import CONTRACT
from operators.stock import STOCK_KEY
from sinks import files as sink
from sinks.batches import Batch
from sinks.ledger import document_records
from sinks.projections import projection_rows
from sources.file_lanes import LANE, FileAccount, FileLanes
from sources.file_reference import FileReference, read_reference


def run_replenishment_files(
    settings: ReplenishmentSettings, what: FileRun, heard: Callable[[int], None]
) -> ReplenishmentSummary:
    """Run to the end of the files and write the results, but for the summary; see `run_to_end`."""
    done = run_to_end(settings, what, _build, heard)
    account, collected, flow = done.account, done.collected, settings.flow
    letters = _letters(collected, account)
    requests = [record for frame in collected.documents for record in document_records(frame, flow)]
    signal = pl.concat([pl.DataFrame(schema=SIGNAL), *collected.projections]).sort("instant")
    frames = {
        "documents/ReplenishmentRequest": sink.records_frame(CONTRACT, requests),
        "dead_letters": letters,
        "alerts": sink.alerts_frame(collected, flow),
        "stock_projection": projection_rows(signal, flow).drop("origin", "offset"),
    }
    sink.write_frames(what.out, frames)
    return _summary(done, letters, signal, frames)


def _letters(collected: sink.Collected, account: FileAccount) -> pl.DataFrame:
    """Records name their file and line; rows of stock that waited in vain are made of records."""
    names = [file.file for file in account.files]
    records = [letter for letter in collected.letters if letter.kind == "RECORD"]
    totals = [letter for letter in collected.letters if letter.kind != "RECORD"]
    parts = [sink.letters_frame(records, names, account.fields), sink.letters_frame(totals, [], account.fields)]
    return pl.concat(parts)


def _build(settings: ReplenishmentSettings, what: FileRun, account: FileAccount, collected: sink.Collected) -> Dataflow:
    materials = [("Material", read_reference(path, "Material")) for path in what.materials]
    lanes = FileLanes(what.inputs, finite_lanes(lane_builder(settings, {})), account)
    sinks: dict[str, Sink[Batch]] = {"collect": sink.CollectSink(collected)}
    return wire(settings, lanes, FileReference(materials), sinks, [LANE], hold=False)


def _summary(
    done: Finished[ReplenishmentSettings], letters: pl.DataFrame, signal: pl.DataFrame, frames: dict[str, pl.DataFrame]
) -> ReplenishmentSummary:
    rows = row_counts(done.account)
    records = {name: record_counts(done.account, done.settings, name) for name in done.settings.reads()}
    made = {name: counts for name, counts in records.items() if counts["made"]}
    alerts = frames["alerts"].sort("event_time", "closed").unique(["plant", "kind", "subject"], keep="last")
    return ReplenishmentSummary(
        rows=rows,
        records=made,
        stock=signal.unique(list(STOCK_KEY), keep="last", maintain_order=True).sort(list(STOCK_KEY)),
        requests=frames["documents/ReplenishmentRequest"],
        dead_letters=letters_by_reason(letters),
        alerts=by_kind(alerts.filter(~pl.col("closed")).to_dicts()),
        checks=_checks(rows, made, letters),
    )


def _checks(rows: dict[str, int], records: dict[str, dict[str, int]], letters: pl.DataFrame) -> list[Check]:
    checks = [rows_check(rows)]
    for name, of in records.items():
        checks.append(Check(f"{name}: records made", of["made"], of["accepted"] + of["duplicates"] + of["dead"]))
        checks.append(Check(f"{name}: accepted, in history", of["accepted"], of["history"]))
    dead = rows["rejected"] + sum(of["dead"] for of in records.values())
    checks.append(Check("dead letters of rows and records", dead, letters.filter(pl.col("kind") != "TOTAL").height))
    return checks
