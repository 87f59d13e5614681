"""What a run on finite files is, whichever flow runs: no broker, no ledger, no recovery store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from bytewax.dataflow import Dataflow

from dataflows.flow_settings import FlowSettings
from dataflows.run import run
from millrace.errors import MillraceError, Misconfigured
from millrace.shutdown import draining
from operators.lane import Lane
from sinks.files import Collected
from sources.file_lanes import FileAccount, FileInput
from sources.files import find_files

Settings = TypeVar("Settings", bound=FlowSettings)
#: A finite run keeps all of its windows until the end: longer than any input reaches back.
FOREVER_H = 10_000 * 8766
#: Rows of a file may stand in any order, so every gap in a source's numbers may still be filled.
MOST_HOLES = 10**9
#: Seconds between two epochs; they decide nothing in a run that keeps no snapshots.
EPOCH_S = 60.0
SUMMARY = "summary.json"
_TABLES = ("dead_letters.parquet", "alerts.parquet", "state_times.parquet", "stock_projection.parquet")
#: What an earlier run left, and `overwrite` removes.
OUTPUTS = ("documents", "history", *_TABLES, SUMMARY)


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


@dataclass(frozen=True, slots=True)
class Finished(Generic[Settings]):
    """A run that has come to the end of its files.

    Args:
        settings: As they held, see `finite`.
        account: What was read.
        collected: What the flow announced.
    """

    settings: Settings
    account: FileAccount
    collected: Collected


#: Makes a flow of settings (`finite` already), inputs, what is told of the reading and what takes the announcements.
Build = Callable[[Settings, FileRun, FileAccount, Collected], Dataflow]


def run_to_end(
    settings: Settings, what: FileRun, build: Build[Settings], heard: Callable[[int], None]
) -> Finished[Settings]:
    """Run a flow to the end of its files; beside the history nothing is written yet.

    Args:
        settings: Settings of the flow; those of brokers, ledger and recovery play no part.
        what: Inputs, reference data and folder.
        build: Makes the flow.
        heard: Told the number of rows of each batch.

    Raises:
        Misconfigured: Settings, a mapping or a file is wrong, or the folder is in use.
        MillraceError: A signal ended the run early; the folder then holds no summary.
    """
    settings = finite(settings, what.out)
    account, collected = FileAccount(heard=heard), Collected()
    for given in what.inputs:
        find_files(given.path)
    flow = build(settings, what, account, collected)
    prepare(what.out, overwrite=what.overwrite)
    run(flow, None, epoch_s=EPOCH_S, workers=what.workers)
    if account.failure is not None:
        raise account.failure
    if draining.is_set():
        raise MillraceError(f"{what.out}: interrupted, the results are incomplete and have no {SUMMARY}")
    return Finished(settings, account, collected)


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
