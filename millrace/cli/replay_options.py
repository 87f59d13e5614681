"""What replays and backfills share on the command line: what is done with what they make, and their outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from dataflows.flow_settings import FlowSettings
from dataflows.replay_apply import put_live
from dataflows.replay_changes import Compared
from millrace.cli.desk_options import person
from millrace.cli.replay_report import progress
from millrace.cli.status import ledger_url, missing_file
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.model import DesiredDocument
from millrace.ledger.replaying import Fate

TABLE, SUMMARY = "changes.parquet", "summary.json"


class Into(StrEnum):
    """Where what a replay makes is put."""

    SCRATCH = "scratch"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Options:
    """What is done with what a replay makes."""

    into: Into | None
    dry_run: bool
    reason: str | None
    who: str | None
    patience_s: float
    as_json: bool

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


def put_with_bar(ledger: Ledger, documents: Sequence[DesiredDocument], options: Options, what: str) -> dict[Fate, int]:
    """Put documents into the live ledger, with a bar on stderr."""
    by = person(options.who, str(options.reason))
    with progress("documents", len(documents), Console(stderr=True)) as heard:
        return put_live(ledger, documents, by, what, options.patience_s, heard)


def left_over(compared: Compared, fates: Mapping[Fate, int] | None) -> bool:
    """Whether something is held back, under way or waits for a person."""
    open_fates = (Fate.UNDER_WAY, Fate.PARKED, Fate.SUPERSEDED)
    return any(change.held for change in compared.changes) or any((fates or {}).get(fate) for fate in open_fates)


def write_outcome(folder: Path, outcome: Mapping[str, Any]) -> None:
    """Write it last, under its own name at once."""
    partial = folder / f".{SUMMARY}.partial"
    partial.write_text(json.dumps(outcome, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.rename(folder / SUMMARY)


__all__ = ["SUMMARY", "TABLE", "Into", "Options", "compared_ledger", "left_over", "put_with_bar", "write_outcome"]
