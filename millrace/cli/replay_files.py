"""`millrace replay FLOW --input FILE... --mapping MAP`: files of a time that no flow has counted, into the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from dataflows.backfill import backfill, keep_rows
from dataflows.file_run import FileRun
from dataflows.settings import ConfirmationsSettings
from millrace.cli.file_report import reading
from millrace.cli.replay_options import Options, compared_ledger, finish, put_changes
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
    files, live = [row.file for row in done.results.account.files], options.live and not done.refused
    told = f"backfill of {said['flow']} from {', '.join(files)}"
    fates = put_changes(ledger, done.compared, folder, options, told, live=live)
    more = {
        **said,
        "files": files,
        "dead_letters": done.results.letters.height,
        "generation": keep_rows(done, what, settings.history) if live else None,
    }
    code = finish(done.compared, None, fates, folder, options, more, done.made)
    return 1 if done.results.letters.height else code


__all__ = ["run_backfill"]
