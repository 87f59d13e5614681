"""What replays and backfills share on the command line: what is done with what they make, and their outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console

from dataflows.replay_apply import put_live
from dataflows.replay_changes import Compared
from millrace.cli.desk_options import person
from millrace.cli.replay_report import progress
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


__all__ = ["SUMMARY", "TABLE", "Into", "Options", "left_over", "put_with_bar", "write_outcome"]
