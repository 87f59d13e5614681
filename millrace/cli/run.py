"""`millrace run FLOW`: a flow on Kafka until SIGTERM, or on files until they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflows import confirmations
from dataflows.run import run as run_flow
from dataflows.settings import ConfirmationsSettings
from millrace.errors import Misconfigured
from millrace.settings import load
from millrace.telemetry import configure_logging


def run(
    flow: Annotated[str, typer.Argument(help="Flow: confirmations.")],
    config: Annotated[Path | None, typer.Option("--config", help="Settings of the flow (YAML).")] = None,
    process: Annotated[int, typer.Option("--process", help="Number of this process, from 0.")] = 0,
    addresses: Annotated[
        str, typer.Option("--addresses", help="host:port of every process, separated by `;`.")
    ] = "",
    workers: Annotated[int, typer.Option("--workers", help="Worker threads of this process.")] = 1,
) -> None:
    """Run a flow. SIGTERM drains it: last snapshot, open windows kept, exit code 0."""
    if flow != "confirmations":
        raise Misconfigured(f"no flow named {flow!r}; there is: confirmations")
    configure_logging()
    settings = load(ConfirmationsSettings, config)
    run_flow(
        confirmations.build(settings),
        settings.recovery,
        partitions=settings.recovery_partitions,
        layout=settings.layout(),
        epoch_s=settings.epoch_s,
        workers=workers,
        process=process,
        addresses=[address for address in addresses.split(";") if address],
    )
