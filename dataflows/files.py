"""The confirmations flow on finite files: same rules and totals, no broker, no ledger, no recovery store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink

from dataflows import parts
from dataflows.confirmations import wire
from dataflows.file_run import FileRun, finite_lanes, run_to_end
from dataflows.master_data import master_data
from dataflows.settings import ConfirmationsSettings
from schemas.registry import FolderSchemas
from sinks import files as sink
from sinks.batches import Batch
from sources.file_lanes import LANE, FileAccount, FileLanes
from sources.file_reference import FileReference


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


def run_files(settings: ConfirmationsSettings, what: FileRun, heard: Callable[[int], None]) -> Results:
    """Run to the end of the files and write the results, but for the summary; see `run_to_end`."""
    done = run_to_end(settings, what, build, heard)
    names = [file.file for file in done.account.files]
    letters = sink.letters_frame(done.collected.letters, names, done.account.fields)
    sink.write(what.out, done.collected, letters, settings.flow)
    return Results(done.account, done.collected, letters, done.settings)


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
