"""The confirmations flow on finite files: same rules and totals, no broker, no ledger, no recovery store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows import parts
from dataflows.confirmations import wire
from dataflows.flow_settings import FlowSettings
from dataflows.master_data import master_data
from dataflows.run import run
from dataflows.settings import ConfirmationsSettings
from millrace.errors import MillraceError, Misconfigured
from millrace.shutdown import draining
from operators.lane import Lane
from schemas.registry import FolderSchemas
from sinks import files as sink
from sinks.batches import Batch
from sources.file_lanes import LANE, FileAccount, FileInput, FileLanes
from sources.file_reference import FileReference
from sources.files import find_files

Settings = TypeVar("Settings", bound=FlowSettings)
#: A finite run keeps all of its windows until the end: longer than any input reaches back.
FOREVER_H = 10_000 * 8766
#: Rows of a file may stand in any order, so every gap in a source's numbers may still be filled.
MOST_HOLES = 10**9
#: Seconds between two epochs; they decide nothing in a run that keeps no snapshots.
EPOCH_S = 60.0
#: What an earlier run left, and `overwrite` removes.
SUMMARY = "summary.json"
OUTPUTS = ("documents", "history", "dead_letters.parquet", "alerts.parquet", "state_times.parquet", SUMMARY)


@dataclass(frozen=True, slots=True)
class FileRun:
    """What to run on.

    Args:
        inputs: Event files, read in this order.
        out: Folder of the results.
        orders: WorkOrder files, directories or patterns.
        materials: Material files.
        calendars: ShiftCalendar files.
        confirmations: ProductionConfirmation files, for backflush.
        workers: Worker threads; they change no total.
        overwrite: Replace the results of an earlier run in `out`.
    """

    inputs: Sequence[FileInput]
    out: Path
    orders: Sequence[str] = ()
    materials: Sequence[str] = ()
    calendars: Sequence[str] = ()
    workers: int = 1
    overwrite: bool = False
    confirmations: Sequence[str] = ()


@dataclass(slots=True)
class Results:
    """What a run on files made of them; written to its folder already, but for the summary."""

    account: FileAccount
    collected: sink.Collected
    letters: pl.DataFrame
    settings: ConfirmationsSettings
    documents: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        """Of every document the last revision."""
        self.documents = self.collected.newest_documents()


def finite(settings: Settings, out: Path) -> Settings:
    """Settings as they hold for files: nothing leaves the state before the end, results go to the folder."""
    return settings.model_copy(
        update={
            "kafka": None,
            "ledger": None,
            "publish": False,
            "recovery": None,
            "history": out / "history",
            "horizon_h": FOREVER_H,
            "id_horizon_s": FOREVER_H * 3600,
        }
    )


def build(settings: ConfirmationsSettings, what: FileRun, account: FileAccount, collected: sink.Collected) -> Dataflow:
    """The flow over files.

    Args:
        settings: Settings, `finite` already.
        what: Inputs and reference data.
        account: Told what is read.
        collected: Takes what the flow announces.

    Raises:
        Misconfigured: Reference data is wrong, or a file is not there.
    """
    files = {"WorkOrder": what.orders, "Material": what.materials}
    known = master_data(settings, FolderSchemas(), files, what.calendars)
    plain = parts.lane_builder(settings, {}, known.calendar, parts.event_topics(settings))
    lanes = FileLanes(what.inputs, finite_lanes(plain), account)
    sinks: dict[str, Sink[Batch]] = {"collect": sink.CollectSink(collected)}
    return wire(settings, lanes, FileReference(known.frames), known.calendar, sinks, [LANE], hold=False)


def finite_lanes(plain: Callable[[str], Lane]) -> Callable[[str], Lane]:
    """Lanes as `plain` makes them, for rows in any order: numbers are told apart over all files, with any gap."""

    def make(name: str) -> Lane:
        lane = plain(name)
        numbering = {
            contract: replace(rule, across_partitions=True, most_holes=MOST_HOLES)
            for contract, rule in lane.config.numbering.items()
        }
        lane.config = replace(lane.config, numbering=numbering)
        return lane

    return make


def run_files(settings: ConfirmationsSettings, what: FileRun, heard: Callable[[int], None]) -> Results:
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
    flow = build(settings, what, account, collected)
    prepare(what.out, overwrite=what.overwrite)
    run(flow, None, epoch_s=EPOCH_S, workers=what.workers)
    if account.failure is not None:
        raise account.failure
    if draining.is_set():
        raise MillraceError(f"{what.out}: interrupted, the results are incomplete and have no {SUMMARY}")
    names = [file.file for file in account.files]
    letters = sink.letters_frame(collected.letters, names, account.fields)
    sink.write(what.out, collected, letters, settings.flow)
    return Results(account, collected, letters, settings)


def prepare(out: Path, *, overwrite: bool) -> None:
    """An empty folder, or one whose results may be replaced; anything else in it is left alone."""
    out.mkdir(parents=True, exist_ok=True)
    present = [out / name for name in OUTPUTS if (out / name).exists()]
    if present and not overwrite:
        raise Misconfigured(f"{out}: holds {present[0].name} already; choose another --out, or --overwrite")
    if present and not (out / SUMMARY).exists():
        raise Misconfigured(f"{out}: holds {present[0].name} but no {SUMMARY} of a finished run; choose another folder")
    for path in present:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
