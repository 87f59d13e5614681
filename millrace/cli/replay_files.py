"""`millrace replay FLOW --input FILE... --mapping MAP`: files of a time that no flow has counted, into the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import typer
from rich.console import Console

from dataflows.backfill import backfill, keep_rows
from dataflows.file_run import FileRun
from dataflows.replay_apply import put_scratch
from dataflows.replay_table import frame
from dataflows.settings import ConfirmationsSettings
from millrace.cli.file_report import reading
from millrace.cli.replay_options import (
    TABLE,
    Into,
    Options,
    compared_ledger,
    left_over,
    put_with_bar,
    write_outcome,
)
from millrace.cli.replay_report import plain, show
from millrace.cli.status import asked
from millrace.errors import Misconfigured
from millrace.ledger import Ledger


def run_backfill(settings: object, what: FileRun, folder: Path, options: Options, flow: str) -> int:
    """Run, compare, put and print; returns the exit code.

    Raises:
        Misconfigured: The flow does not run on files, or something given is wrong.
    """
    if not isinstance(settings, ConfirmationsSettings):
        raise Misconfigured(f"--input: the flow {flow!r} does not run on files")
    folder.mkdir(parents=True, exist_ok=True)
    with compared_ledger(settings, options) as (url, nothing):
        said = {"flow": flow, "no_ledger": nothing}
        return asked(url, lambda ledger: _with(ledger, settings, what, folder, options, said))


def _with(
    ledger: Ledger,
    settings: ConfirmationsSettings,
    what: FileRun,
    folder: Path,
    options: Options,
    said: Mapping[str, str | None],
) -> int:
    with reading(list(what.inputs), Console(stderr=True)) as heard:
        done = backfill(settings, what, ledger, heard)
    frame(done.compared.changes).write_parquet(folder / TABLE, compression="zstd")
    files = ", ".join(row.file for row in done.results.account.files)
    live = options.live and not done.refused
    fates = (
        put_with_bar(ledger, done.compared.to_put, options, f"backfill of {said['flow']} from {files}")
        if live
        else None
    )
    scratch = options.into is Into.SCRATCH and not options.dry_run
    outcome = plain(
        done.compared,
        None,
        fates,
        {
            **said,
            "files": [row.file for row in done.results.account.files],
            "dead_letters": done.results.letters.height,
            "table": str(folder / TABLE),
            "ledger": put_scratch(folder / "scratch", done.made) if scratch else None,
            "generation": keep_rows(done, what, settings.history) if live else None,
            "into": "live" if live else "scratch" if scratch else None,
        },
    )
    write_outcome(folder, outcome)
    if options.as_json:
        typer.echo(json.dumps(outcome, ensure_ascii=False, indent=2))
    else:
        show(outcome, done.compared, Console())
    return 1 if left_over(done.compared, fates) or done.results.letters.height else 0


__all__ = ["run_backfill"]
