"""`millrace run FLOW`: a flow on Kafka until SIGTERM, or on files until they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.registry import FLOWS, flow_named
from dataflows.run import run as run_flow
from dataflows.stop_alert import announce
from millrace.cli.options import Texts
from millrace.cli.run_files import FileOptions, run_on_files
from millrace.errors import Misconfigured
from millrace.health_server import serve
from millrace.settings import load
from millrace.telemetry import configure_logging
from operators.reject_guard import MostRefused

ON_FILES = "On files"


def _records(name: str, as_elsewhere: str, contract: str) -> Any:
    """Records of a contract; the second name is that of `millrace replay` and `millrace dlq`."""
    text = f"{contract} records; may be given again."
    return typer.Option(name, as_elsewhere, rich_help_panel=ON_FILES, help=text)


def run(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help=f"Flow: {', '.join(FLOWS)}.")],
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="More inputs, as a shell makes them of `--input *.csv`.")
    ] = None,
    *,
    config: Annotated[Path | None, typer.Option("--config", help="Settings of the flow (YAML).")] = None,
    process: Annotated[int, typer.Option("--process", help="Number of this process, from 0.")] = 0,
    addresses: Annotated[str, typer.Option("--addresses", help="host:port of every process, separated by `;`.")] = "",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Worker threads of this process.")] = 1,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Processes on this machine, which start and end together.")
    ] = 1,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", rich_help_panel=ON_FILES, help="File, directory or pattern; may be given again."),
    ] = None,
    mappings: Annotated[
        list[str] | None,
        typer.Option(
            "--mapping",
            "--contract",
            rich_help_panel=ON_FILES,
            help="Mapping file, or name of the contract that the rows have already: one for all inputs, or "
            "one per --input in the same order.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", rich_help_panel=ON_FILES, help="Folder for the results.")] = None,
    orders: Annotated[Texts, _records("--orders", "--order-file", "WorkOrder")] = None,
    materials: Annotated[Texts, _records("--materials", "--material-file", "Material")] = None,
    confirmed: Annotated[Texts, _records("--confirmations", "--confirmation-file", "ProductionConfirmation")] = None,
    calendar: Annotated[Texts, _records("--calendar", "--calendar-file", "ShiftCalendar")] = None,
    zone: Annotated[
        str | None,
        typer.Option("--zone", rich_help_panel=ON_FILES, help="Time zone of plants without a calendar."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", rich_help_panel=ON_FILES, help="Replace an earlier run's results in --out."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel=ON_FILES, help="Print the summary as JSON.")
    ] = False,
) -> None:
    """Run a flow: on Kafka until SIGTERM drains it, or with --input on files until they are read.

    On Kafka, SIGTERM writes the last snapshot and keeps open windows; exit code 0. 2: settings are wrong, or
    most of what is read is refused.

    On files, exit code 0: every row is accepted. 1: something is in the dead letters. 2: settings, a mapping
    or a file is wrong.

    Example: `millrace run confirmations --config plant.yaml`

    Or: `millrace run confirmations --input press.csv --mapping press.yaml --orders orders.csv --out results`
    """
    found = flow_named(flow)
    configure_logging()
    settings = load(found.settings, config)
    given = FileOptions(
        inputs=[*(inputs or []), *(files or [])],
        mappings=mappings or [],
        out=out,
        orders=orders or [],
        materials=materials or [],
        confirmations=confirmed or [],
        calendar=calendar or [],
        zone=zone,
        workers=workers,
        overwrite=overwrite,
        as_json=as_json,
    )
    if given.any:
        if process or addresses or processes > 1:
            raise Misconfigured("--process, --addresses, --processes: a run on files is one process; use --workers")
        serve(settings.metrics_port)
        raise typer.Exit(run_on_files(found, settings, given))
    if processes > 1:  # asked for in earnest, it does not come this far: see millrace.cli.main
        raise Misconfigured("--processes: gives its processes their --process and --addresses itself")
    serve(settings.metrics_port, process)
    try:
        run_flow(
            found.build(settings),
            settings.recovery,
            partitions=settings.recovery_partitions,
            layout=settings.layout(),
            resumes=settings.resumes,
            workers=workers,
            process=process,
            addresses=[address for address in addresses.split(";") if address],
            stall_after=settings.stall_s,
        )
    except MostRefused as error:
        announce(settings, error)
        raise
