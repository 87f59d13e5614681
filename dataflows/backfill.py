"""Files of a time that no flow has counted, through a mapping and the same rules, held against the ledger.

The rules run as in a run on files, and the comparison and the ledger's part are those of a replay. What the ledger has
counted from other events is held back: two sources of one window can't be told apart by their number of events.

Delivery: exactly once in effect. A backfill that was killed begins again; documents that are put are found equal, and
the copy of its rows in the history is named for the content of its files, so that a repeat replaces it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from dataflows.file_run import FileRun
from dataflows.files import Results, run_files
from dataflows.replay_changes import Compared, Held, Why, compare, is_completion
from dataflows.settings import ConfirmationsSettings
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.confirmation import KIND, desired_document
from millrace.ledger.model import DesiredDocument
from millrace.ledger.standing import Standing, Which, archived_of, standing_in
from operators.routes import origin_code
from sinks.history.day_file import read_footer
from sinks.history.places import Place
from sinks.history.rows import HistoryRows
from sinks.history.zones import DAY_FILE, DAYS, folders
from sinks.ledger import document_records
from sinks.parquet import HistoryWriter
from sources.files import find_files

#: Later than any window: files end, so that nothing in them is still open.
_NEVER = "~"


@dataclass(slots=True)
class Backfill:
    """Files through the rules, and what the ledger has of the same documents.

    Args:
        results: Of the run on files.
        compared: Documents held against the ledger.
    """

    results: Results
    compared: Compared

    @property
    def made(self) -> list[DesiredDocument]:
        """Everything that the files came to."""
        return _documents(self.results)

    @property
    def refused(self) -> bool:
        """Whether some window was counted from other events already, so that the rows belong to no history."""
        return any(change.held is not None for change in self.compared.changes)


def backfill(
    settings: ConfirmationsSettings, what: FileRun, ledger: Ledger, heard: Callable[[int], None] = lambda _rows: None
) -> Backfill:
    """Run on files and compare; nothing but the folder is written.

    Raises:
        Misconfigured: Settings, a mapping or a file is wrong.
    """
    if what.out.exists():
        shutil.rmtree(what.out)  # of a run before, finished or not; it is this command's own folder
    results = run_files(settings, what, heard)
    made = _documents(results)
    keys = {document.key for document in made}
    standing = _standing(ledger, made)
    mine = {key: each for key, each in standing.items() if key in keys}
    compared = compare(made, mine, {}, _NEVER, lambda some: _whole(some, standing.values(), keys))
    other = (Why.EVENTS_MISSING,)
    changes = [replace(c, held=Held.COUNTED) if c.why in other else c for c in compared.changes]
    return Backfill(results, replace(compared, changes=changes))


def _documents(results: Results) -> list[DesiredDocument]:
    return [desired_document(record) for record in document_records(results.documents, results.settings.flow)]


def _standing(ledger: Ledger, made: Sequence[DesiredDocument]) -> dict[str, Standing]:
    orders = {(document.plant, document.order_id) for document in made}
    which = Which([KIND], orders=sorted({order for _, order in orders}))
    found = ledger.ask(lambda connection: [*standing_in(connection, which), *archived_of(connection, orders)])
    return {each.key: each for each in found}


def _whole(ends: Sequence[Standing], standing: Iterable[Standing], keys: set[str]) -> set[str]:
    """Completions of operations of which all windows are in the files."""
    other = {
        (each.plant, each.order_id, each.operation)
        for each in standing
        if each.key not in keys and not is_completion(each) and not each.wants_nothing
    }
    return {each.key for each in ends if (each.plant, each.order_id, each.operation) not in other}


def generation(what: FileRun) -> str:
    """Name of the files' rows in the history: the same for the same content."""
    digest = hashlib.sha256()
    for given in what.inputs:
        for path in find_files(given.path):
            with path.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:12]


def keep_rows(done: Backfill, what: FileRun, history: Place | None) -> str | None:
    """Copy the accepted rows into the history, so that a later replay finds them; returns their generation.

    Nothing is copied where there is no history, and not twice where compaction has taken the rows already.

    Raises:
        Misconfigured: The history is on an object store.
    """
    if history is None:
        return None
    if not isinstance(history, Path):
        raise Misconfigured(
            f"history: {history}: copy the files of {what.out / 'history'} there, they are not uploaded"
        )
    settings, name = done.results.settings, generation(what)
    topics = {contract: settings.topic(contract) for contract in settings.events}
    if any(_compacted(history, topic, f"{settings.flow}-{name}-") for topic in topics.values()):
        return name
    writer = HistoryWriter(history, settings.flow, "files", topics, lambda: name)
    writer.restore(None)
    rows = HistoryRows(what.out / "history", topics)
    for day, counts in rows.days().items():
        for contract in counts:
            origin = (pl.col("partition") | origin_code(contract, 0)).cast(pl.Int32).alias("origin")
            frame = rows.load(contract, day, lambda lazy: lazy)
            writer.write(contract, frame.with_columns(origin).drop("partition"))
    writer.sync()
    return name


def _compacted(history: Path, topic: str, writer: str) -> bool:
    footers = (read_footer(history / DAYS / topic / folder / DAY_FILE) for folder in folders(history, topic))
    return any(name.startswith(writer) for footer in footers if footer is not None for name in footer.taken)


__all__ = ["Backfill", "backfill", "generation", "keep_rows"]
