"""`millrace post`: book what the ledger desires; and what a person may do to postings."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from millrace.cli import post_repair
from millrace.errors import Misconfigured
from millrace.health_server import serve
from millrace.settings import load
from millrace.telemetry import configure_logging
from sinks.erp.run import run_poster
from sinks.erp.settings import PosterSettings

app = typer.Typer(no_args_is_help=False)
app.command("retry")(post_repair.retry)
app.command("park")(post_repair.park)
app.command("approve")(post_repair.approve)
app.command("reject")(post_repair.reject)
app.command("confirm-booked")(post_repair.confirm_booked)


@app.callback(invoke_without_command=True)
def post(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", help="Settings of the poster (YAML).")] = None,
) -> None:
    """Book desired totals in the ERPs until SIGTERM; what is in flight is finished first.

    Exit codes: 0 ended by SIGTERM, 1 the ledger does not answer, 2 the settings are wrong.

    With a command: what a person may do to single postings. Exit codes of these: 0 done, 1 a poster works on the order
    or something was left out, 2 wrong use.

    Example: `millrace post --config poster.yaml`
    """
    if context.invoked_subcommand is not None:
        if config is not None:
            raise Misconfigured(
                f"--config: stands behind the command, as in `millrace post {context.invoked_subcommand}`"
            )
        return
    if config is None:
        raise Misconfigured("--config: the poster needs its settings")
    configure_logging()
    settings = load(PosterSettings, config, prefix="MILLRACE_POST_")
    serve(settings.metrics_port)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await run_poster(settings, stop)

    asyncio.run(main())
