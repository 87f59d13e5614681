"""`millrace replay FLOW`: the history back through the same rules, compared with the ledger or put into it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dataflows import parts
from dataflows.file_run import FileRun
from dataflows.registry import flow_named
from dataflows.replay import Replay
from dataflows.replay_compare import made_documents, standing_documents
from dataflows.replay_flows import REPLAYABLE, replayable
from dataflows.replay_late import late_additions
from dataflows.replay_range import Range, text
from millrace.cli.options import Texts, grouped
from millrace.cli.replay_files import run_backfill
from millrace.cli.replay_options import Options, compared_ledger, finish, put_changes
from millrace.cli.replay_report import progress
from millrace.cli.run_files import file_inputs
from millrace.cli.status import asked
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.settings import load
from millrace.telemetry import configure_logging


@grouped
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
    options: Options,
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
) -> None:
    """Feed the history to a flow's rules again, with the settings and the master data of now.

    An interrupted replay goes on when it is called again. Exit codes: 0 done; 1 some documents are held back or still
    under way, or it was interrupted; 2 wrong use, settings or history.

    Example: `millrace replay confirmations --config plant.yaml --from 2026-03-01 --to 2026-03-02 --dry-run`
    """
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
    copy = folder / "scratch" / "history" if options.scratch else None
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
    told = _told(made.wanted)
    fates = put_changes(ledger, compared, made.folder, options, f"replay of {flow} {told}", live=options.live)
    said = {
        "flow": flow,
        "no_ledger": nothing,
        "range": told,
        "resumed": made.resumed,
        "history": str(made.history) if made.history is not None else None,
    }
    return finish(compared, account, fates, made.folder, options, said, made_documents(made))


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
