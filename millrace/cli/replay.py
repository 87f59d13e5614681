"""`millrace replay FLOW`: the history back through the same rules, compared with the ledger or put into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from dataflows import parts
from dataflows.file_run import FileRun
from dataflows.registry import flow_named
from dataflows.replay import Replay
from dataflows.replay_apply import put_scratch
from dataflows.replay_changes import Compared
from dataflows.replay_compare import made_documents, standing_documents
from dataflows.replay_flows import REPLAYABLE, replayable
from dataflows.replay_late import late_additions
from dataflows.replay_range import Range, text
from dataflows.replay_table import frame
from millrace.cli.replay_files import run_backfill
from millrace.cli.replay_options import (
    TABLE,
    Into,
    Options,
    compared_ledger,
    left_over,
    put_with_bar,
    write_outcome,
)
from millrace.cli.replay_report import plain, progress, show
from millrace.cli.run_files import file_inputs
from millrace.cli.status import asked
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.replaying import Fate
from millrace.settings import load
from millrace.telemetry import configure_logging
from sources.history import HistoryAccount

Texts = list[str] | None


def replay(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help=f"Flow: {', '.join(REPLAYABLE)}.")],
    config: Annotated[Path | None, typer.Option("--config", help="Settings of the flow (YAML).")] = None,
    *,
    begin: Annotated[
        str | None, typer.Option("--from", help="Windows that start at or after it: a date (UTC) or an instant.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Windows that start before it.")] = None,
    plants: Annotated[Texts, typer.Option("--plant", help="Plant; may be given again.")] = None,
    orders: Annotated[Texts, typer.Option("--order", help="Order; may be given again.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show which documents would change, and why.")
    ] = False,
    into: Annotated[
        Into | None, typer.Option("--into", help="A scratch ledger and history, or the live ledger.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why you do it; stands in the audit. Needed for --into live.")
    ] = None,
    who: Annotated[
        str | None, typer.Option("--who", help="Who you are; the user of this computer if left out.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for state and results.")] = None,
    order_files: Annotated[
        Texts, typer.Option("--order-file", help="WorkOrder records, instead of the topic; may be given again.")
    ] = None,
    material_files: Annotated[
        Texts, typer.Option("--material-file", help="Material records, instead of the topic; may be given again.")
    ] = None,
    calendar_files: Annotated[
        Texts, typer.Option("--calendar-file", help="ShiftCalendar records; may be given again.")
    ] = None,
    inputs: Annotated[
        Texts,
        typer.Option(
            "--input", help="Backfill: file, directory or pattern, in place of the history; may be given again."
        ),
    ] = None,
    mappings: Annotated[
        Texts,
        typer.Option("--mapping", "--contract", help="Mapping file or contract of the inputs, as `millrace run`."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Worker threads; they change no total.")] = 1,
    patience_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for documents that a poster works on.")
    ] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Feed the history to a flow's rules again, with the settings and the master data of now.

    An interrupted replay goes on when it is called again. Exit codes: 0 done; 1 some documents are held back or still
    under way, or it was interrupted; 2 wrong use, settings or history.

    Example: `millrace replay confirmations --config plant.yaml --from 2026-03-01 --to 2026-03-02 --dry-run`
    """
    options = Options(into, dry_run, reason, who, patience_s, as_json)
    options.check()
    configure_logging()
    named = flow_named(flow)
    flow, settings = named.name, load(named.settings, config)
    wanted = Range(_instant("--from", begin), _instant("--to", end), tuple(plants or ()), tuple(orders or ()))
    folder = out or _folder(flow, config, wanted)
    if inputs or mappings:
        if wanted != Range():
            raise Misconfigured("--from, --to, --plant, --order: a backfill takes all that is in its files")
        what = FileRun(
            file_inputs(inputs or [], mappings or []),
            folder / "work" / "files",
            order_files or (),
            material_files or (),
            calendar_files or (),
            workers,
        )
        raise typer.Exit(run_backfill(settings, what, folder, options, flow))
    files = {"WorkOrder": order_files or (), "Material": material_files or ()}
    how = replayable(flow)
    if options.live and how.not_live is not None:
        raise Misconfigured(f"--into live: {how.not_live}")
    known = how.known(settings, parts.schema_source(settings), files, calendar_files or ())
    copy = folder / "scratch" / "history" if into is Into.SCRATCH and not dry_run else None
    made = Replay(how, settings, wanted, known, folder, history=copy, workers=workers)
    raise typer.Exit(_run(made, options, flow))


def _run(made: Replay, options: Options, flow: str) -> int:
    rows = made.plan()
    with compared_ledger(made.settings, options) as (url, nothing):
        return asked(url, lambda ledger: _with(ledger, made, rows, options, flow, nothing))


def _with(ledger: Ledger, made: Replay, rows: int, options: Options, flow: str, nothing: str | None) -> int:
    standing = standing_documents(ledger, made.flow.kinds, made.wanted, made.touched)
    made = replace(made, late=late_additions(ledger, standing))
    with progress("events", rows, Console(stderr=True)) as heard:
        account = made.compute(heard)
    compared = made.flow.compare(ledger, made)
    frame(compared.changes).write_parquet(made.folder / TABLE, compression="zstd")
    what = f"replay of {flow} {_told(made.wanted)}"
    fates = put_with_bar(ledger, compared.to_put, options, what) if options.live else None
    outcome = _outcome(made, compared, account, fates, options, {"flow": flow, "no_ledger": nothing})
    if options.as_json:
        typer.echo(json.dumps(outcome, ensure_ascii=False, indent=2))
    else:
        show(outcome, compared, Console())
    return 1 if left_over(compared, fates) else 0


def _outcome(
    made: Replay,
    compared: Compared,
    account: HistoryAccount,
    fates: dict[Fate, int] | None,
    options: Options,
    said: Mapping[str, str | None],
) -> dict[str, Any]:
    scratch = made.folder / "scratch"
    more = {
        **said,
        "range": _told(made.wanted),
        "resumed": made.resumed,
        "table": str(made.folder / TABLE),
        "ledger": put_scratch(scratch, made_documents(made)) if made.history is not None else None,
        "history": str(made.history) if made.history is not None else None,
        "into": "live" if options.live else "scratch" if made.history is not None else None,
    }
    outcome = plain(compared, account, fates, more)
    write_outcome(made.folder, outcome)
    return outcome


def _instant(option: str, given: str | None) -> int | None:
    """Microseconds UTC of a date or an instant in ISO 8601; without an offset it is UTC.

    Raises:
        Misconfigured: It is neither.
    """
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError as error:
        raise Misconfigured(f"{option}: {given!r} is no date or instant, as 2026-03-01 or 2026-03-01T06:00Z") from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _told(wanted: Range) -> str:
    begin = "the beginning" if wanted.first is None else text(wanted.first)
    end = "the end" if wanted.until is None else text(wanted.until)
    which = [f"plant {each}" for each in wanted.plants] + [f"order {each}" for each in wanted.orders]
    return ", ".join([f"from {begin} to {end}", *which])


def _folder(flow: str, config: Path | None, wanted: Range) -> Path:
    """The same for the same call, so that an interrupted one is found again."""
    name = hashlib.sha256(f"{config} {_told(wanted)}".encode()).hexdigest()[:8]
    return Path(f"replay-{flow}-{name}")


__all__ = ["replay"]
