"""What replays and backfills share on the command line: what is done with what they make, and their outcome."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from dataflows.flow_settings import FlowSettings
from dataflows.replay_apply import put_live, put_scratch
from dataflows.replay_changes import Compared
from dataflows.replay_table import frame
from millrace.cli.desk_options import person
from millrace.cli.replay_report import plain, progress, show
from millrace.cli.status import ledger_url, missing_file
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.model import DesiredDocument
from millrace.ledger.replaying import Fate
from sources.history import HistoryAccount

TABLE, SUMMARY = "changes.parquet", "summary.json"
#: Of documents that another call, or a person, has to deal with.
_OPEN = (Fate.UNDER_WAY, Fate.PARKED, Fate.SUPERSEDED)


class Into(StrEnum):
    """Where what a replay makes is put."""

    SCRATCH = "scratch"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Options:
    """What is done with what a replay makes."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which documents would change, and why.")] = False
    into: Annotated[Into | None, typer.Option("--into", help="A scratch ledger and history, or the live ledger.")] = (
        None
    )
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why you do it; stands in the audit. Needed for --into live.")
    ] = None
    who: Annotated[str | None, typer.Option("--who", help="Who you are; the user of this computer if left out.")] = None
    patience_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for documents that a poster works on.")
    ] = 60
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False

    def check(self) -> None:
        """Refuse what can't be meant.

        Raises:
            Misconfigured: Nothing is to be done, or a live replay has no reason.
        """
        if self.into is None and not self.dry_run:
            raise Misconfigured("--dry-run, --into: say --dry-run to compare only, or --into scratch or --into live")
        if self.live and not (self.reason or "").strip():
            raise Misconfigured("--reason: a live replay changes what is booked; say why, it stands in the audit")

    @property
    def live(self) -> bool:
        """Whether the ledger is changed."""
        return self.into is Into.LIVE and not self.dry_run

    @property
    def scratch(self) -> bool:
        """Whether a ledger and a history are made beside."""
        return self.into is Into.SCRATCH and not self.dry_run


@contextmanager
def compared_ledger(settings: FlowSettings, options: Options) -> Iterator[tuple[str, str | None]]:
    """URL of the ledger to compare with; where there is none yet, that of an empty one, and what to say of it.

    A live replay needs the ledger that posters book from; any other compares with nothing where there is none.

    Raises:
        Misconfigured: A live replay has no ledger, or the URL is none.
    """
    missing = None if settings.ledger is None else missing_file(settings.ledger)
    if options.live or (settings.ledger is not None and missing is None):
        yield ledger_url(None, settings), None
        return
    why = "the settings name no ledger" if missing is None else f"there is no ledger at {missing!r}"
    with TemporaryDirectory(prefix="millrace-") as folder:
        yield f"sqlite:///{folder}/ledger.db", f"{why}: compared with nothing, so every document would be new"


def put_changes(
    ledger: Ledger, compared: Compared, folder: Path, options: Options, what: str, *, live: bool
) -> dict[Fate, int] | None:
    """Keep what would change as a table, and put it into the live ledger if that is meant, with a bar on stderr."""
    frame(compared.changes).write_parquet(folder / TABLE, compression="zstd")
    if not live:
        return None
    by, documents = person(options.who, str(options.reason)), compared.to_put
    with progress("documents", len(documents), Console(stderr=True)) as heard:
        return put_live(ledger, documents, by, what, options.patience_s, heard)


def finish(
    compared: Compared,
    account: HistoryAccount | None,
    fates: Mapping[Fate, int] | None,
    folder: Path,
    options: Options,
    said: Mapping[str, Any],
    documents: Iterable[DesiredDocument],
) -> int:
    """Make the scratch ledger if one is meant, keep the outcome and print it; returns the exit code.

    Args:
        compared: What differs from the ledger.
        account: What was read of the history; None of files.
        fates: What became of documents that were put; None where none was to be put.
        folder: Where it is kept.
        options: What is to be done.
        said: What else stands in the outcome.
        documents: All that was made.
    """
    more = {
        **said,
        "table": str(folder / TABLE),
        "ledger": put_scratch(folder / "scratch", documents) if options.scratch else None,
        "into": "live" if fates is not None else "scratch" if options.scratch else None,
    }
    outcome = plain(compared, account, fates, more)
    told = json.dumps(outcome, ensure_ascii=False, indent=2)
    partial = folder / f".{SUMMARY}.partial"
    partial.write_text(told + "\n", encoding="utf-8")
    partial.rename(folder / SUMMARY)  # last, and at once
    if options.as_json:
        typer.echo(told)
    else:
        show(outcome, compared, Console())
    left_over = any(change.held for change in compared.changes) or any((fates or {}).get(fate) for fate in _OPEN)
    return 1 if left_over else 0


__all__ = ["SUMMARY", "TABLE", "Into", "Options", "compared_ledger", "finish", "put_changes"]
