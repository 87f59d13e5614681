"""The flow of goods movements on finite files: same rules and totals, no broker, no ledger, no recovery store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows import parts
from dataflows.file_summary import Check, Records, history_rows, letters_by_reason
from dataflows.files import EPOCH_S, SUMMARY, FileRun, finite, finite_lanes, prepare
from dataflows.goods_movements import wire
from dataflows.master_data import master_data
from dataflows.movement_settings import GoodsMovementsSettings
from dataflows.movement_summary import MovementSummary
from dataflows.run import run
from millrace.errors import MillraceError
from millrace.shutdown import draining
from operators.consumption_route import consumption_route
from operators.movement_documents import MOVEMENT
from operators.movement_reference import MovementReference, MovementReferenceLane
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from schemas.types import polars_schema
from sinks import files as sink
from sinks.batches import Batch
from sinks.dead_letter import alert_record
from sinks.ledger import document_records
from sources.file_lanes import LANE, FileAccount, FileLanes
from sources.file_reference import FileReference
from sources.files import find_files

_EVENT = "MaterialConsumption"


def run_movement_files(
    settings: GoodsMovementsSettings, what: FileRun, heard: Callable[[int], None]
) -> MovementSummary:
    """Run to the end of the files and write the results, but for the summary.

    Args:
        settings: Settings of the flow; those of brokers, ledger and recovery play no part.
        what: Inputs, reference data and folder.
        heard: Told the number of rows of each batch.

    Raises:
        Misconfigured: Settings, a mapping or a file is wrong, or the folder is in use.
        MillraceError: A signal ended the run early; the folder then holds no summary.
    """
    settings = finite(settings, what.out)
    account, collected = FileAccount(heard=heard), sink.Collected()
    for given in what.inputs:
        find_files(given.path)
    flow = _build(settings, what, account, collected)
    prepare(what.out, overwrite=what.overwrite)
    run(flow, None, epoch_s=EPOCH_S, workers=what.workers)
    if account.failure is not None:
        raise account.failure
    if draining.is_set():
        raise MillraceError(f"{what.out}: interrupted, the results are incomplete and have no {SUMMARY}")
    letters = _letters(collected, account)
    movements = newest(collected)
    _write(what.out, movements, letters, collected, settings.flow)
    return _summary(settings, account, collected, letters, movements)


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
    every = pl.concat([pl.DataFrame(schema=MOVEMENT), *collected.documents])
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


def _write(out: Path, movements: pl.DataFrame, letters: pl.DataFrame, collected: sink.Collected, flow: str) -> None:
    records = {
        "documents/GoodsMovement": _frame("GoodsMovement", document_records(movements, flow)),
        "dead_letters": letters,
        "alerts": _frame("Alert", [alert_record(alert, flow) for alert in collected.alerts]),
    }
    for name, frame in records.items():
        path = out / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path, compression="zstd")


def _frame(name: str, records: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(records, schema=polars_schema(contract(name)))


def _summary(
    settings: GoodsMovementsSettings,
    account: FileAccount,
    collected: sink.Collected,
    letters: pl.DataFrame,
    movements: pl.DataFrame,
) -> MovementSummary:
    rows = {n: sum(getattr(f, n) for f in account.files) for n in ("read", "mapped", "rejected", "filtered")}
    counts = account.counts
    after = sum(number for name, number in counts.items() if name.startswith(f"dead_after_history:{_EVENT}:"))
    origins = movements.select(pl.col("origins").explode()).drop_nulls().unnest("origins")
    reported = origins.filter(pl.col("topic") == _EVENT)["events"].sum()
    own = [each for each in collected.letters if each.kind == "TOTAL" and each.correlation_id == each.document_key]
    records = Records(
        made=sum(file.records[_EVENT] for file in account.files),
        accepted=counts.get(f"accepted:{_EVENT}", 0),
        duplicates=counts.get(f"duplicates:{_EVENT}", 0),
        dead=sum(number for name, number in counts.items() if name.startswith(f"dead:{_EVENT}:")),
        in_documents=int(reported),
        given_up=sum(each.events for each in own) + after,
        history=history_rows(settings, _EVENT),
    )
    letters_read = letters.filter(pl.col("kind") == "RECORD").height
    checks = [
        Check("rows read", rows["read"], rows["mapped"] + rows["rejected"] + rows["filtered"]),
        Check("records made", records.made, records.accepted + records.duplicates + records.dead),
        Check("accepted, in history", records.accepted, records.history),
        Check("accepted, in movements or given up", records.accepted, records.in_documents + records.given_up),
        Check("dead letters of rows and records", rows["rejected"] + records.dead + after, letters_read),
    ]
    alerts = dict(sorted(Counter(alert["kind"] for alert in collected.alerts).items()))
    return MovementSummary(rows, records, movements, letters_by_reason(letters), alerts, checks)
