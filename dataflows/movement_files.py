"""The flow of goods movements on finite files: same rules and totals, no broker, no ledger, no recovery store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows import parts
from dataflows.file_run import FileRun, Finished, finite_lanes, run_to_end
from dataflows.file_summary import Check, Records, by_kind, letters_by_reason, record_counts, row_counts, rows_check
from dataflows.goods_movements import wire
from dataflows.master_data import master_data
from dataflows.movement_settings import GoodsMovementsSettings
from dataflows.movement_summary import MovementSummary
from operators.consumption_route import consumption_route
from operators.movement_documents import ANNOUNCED
from operators.movement_reference import MovementReference, MovementReferenceLane
from schemas.registry import FolderSchemas
from sinks import files as sink
from sinks.batches import Batch
from sinks.ledger import document_records
from sources.file_lanes import LANE, FileAccount, FileLanes
from sources.file_reference import FileReference

_EVENT = "MaterialConsumption"


def run_movement_files(
    settings: GoodsMovementsSettings, what: FileRun, heard: Callable[[int], None]
) -> MovementSummary:
    """Run to the end of the files and write the results, but for the summary; see `run_to_end`."""
    done = run_to_end(settings, what, _build, heard)
    letters, movements = _letters(done.collected, done.account), newest(done.collected)
    frames = {
        "documents/GoodsMovement": sink.records_frame("GoodsMovement", document_records(movements, settings.flow)),
        "dead_letters": letters,
        "alerts": sink.alerts_frame(done.collected, settings.flow),
    }
    sink.write_frames(what.out, frames)
    return _summary(done, letters, movements)


def _build(
    settings: GoodsMovementsSettings, what: FileRun, account: FileAccount, collected: sink.Collected
) -> Dataflow:
    files = {"WorkOrder": what.orders, "Material": what.materials, "ProductionConfirmation": what.confirmations}
    known = master_data(settings, FolderSchemas(), files, what.calendars)
    topics, route = parts.event_topics(settings), consumption_route(settings.rules())
    plain = parts.lane_builder(settings, {}, known.calendar, topics, route=route)
    lanes = FileLanes(what.inputs, finite_lanes(plain), account)
    sinks: dict[str, Sink[Batch]] = {"collect": sink.CollectSink(collected)}
    references: Any = FileReference(known.frames, lambda: MovementReferenceLane({}, {}), MovementReference)
    return wire(settings, lanes, references, known.calendar, sinks, [LANE])


def newest(collected: sink.Collected) -> pl.DataFrame:
    """Of every movement the last version, by order, material and window."""
    every = pl.concat([pl.DataFrame(schema=ANNOUNCED), *collected.documents])
    last = every.sort("revision", "reference_version").unique("document_key", keep="last")
    return last.sort("plant", "order_id", "operation", "material", "window_start", "document_key")


def _letters(collected: sink.Collected, account: FileAccount) -> pl.DataFrame:
    """Records name their file and line; totals name their document alone."""
    names = [file.file for file in account.files]
    records = [letter for letter in collected.letters if letter.kind == "RECORD"]
    totals = [letter for letter in collected.letters if letter.kind != "RECORD"]
    return pl.concat(
        [sink.letters_frame(records, names, account.fields), sink.letters_frame(totals, [], account.fields)]
    )


def _summary(done: Finished[GoodsMovementsSettings], letters: pl.DataFrame, movements: pl.DataFrame) -> MovementSummary:
    account, letters_of_totals = done.account, [each for each in done.collected.letters if each.kind == "TOTAL"]
    rows = row_counts(account)
    after = sum(n for name, n in account.counts.items() if name.startswith(f"dead_after_history:{_EVENT}:"))
    origins = movements.select(pl.col("origins").explode()).drop_nulls().unnest("origins")
    reported = origins.filter(pl.col("topic") == _EVENT)["events"].sum()
    own = [each for each in letters_of_totals if each.correlation_id == each.document_key]
    records = Records(
        **record_counts(account, done.settings, _EVENT),
        in_documents=int(reported),
        given_up=sum(each.events for each in own) + after,
    )
    letters_read = letters.filter(pl.col("kind") == "RECORD").height
    checks = [
        rows_check(rows),
        Check("records made", records.made, records.accepted + records.duplicates + records.dead),
        Check("accepted, in history", records.accepted, records.history),
        Check("accepted, in movements or given up", records.accepted, records.in_documents + records.given_up),
        Check("dead letters of rows and records", rows["rejected"] + records.dead + after, letters_read),
    ]
    return MovementSummary(
        rows=rows,
        records=records,
        movements=movements,
        dead_letters=letters_by_reason(letters),
        alerts=by_kind(done.collected.alerts),
        checks=checks,
    )
