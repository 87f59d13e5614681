"""`millrace post`: book what the ledger desires."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from millrace.settings import load
from millrace.telemetry import configure_logging
from sinks.erp.run import run_poster
from sinks.erp.settings import PosterSettings


def post(
    config: Annotated[Path, typer.Option("--config", help="Settings of the poster (YAML).")],
) -> None:
    """Book desired totals in the ERPs until SIGTERM; what is in flight is finished first."""
    configure_logging()
    settings = load(PosterSettings, config, prefix="MILLRACE_POST_")

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await run_poster(settings, stop)

    asyncio.run(main())
