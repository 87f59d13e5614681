"""`millrace demo`: the main job end to end on this machine, with nothing else installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from millrace.errors import Misconfigured

WIDTH = 130


def demo(
    *,
    seed: Annotated[int, typer.Option(help="Same seed, same plant day.")] = 1,
    hours: Annotated[float, typer.Option(min=6, max=72, help="Length of the simulated day.")] = 24,
    scale: Annotated[
        float, typer.Option(min=0.01, max=3, help="Events per machine hour, 1 is about 60,000 a day.")
    ] = 1,
    seconds: Annotated[float, typer.Option(min=3, help="Wall-clock seconds in which the day is sent.")] = 16,
    out: Annotated[Path, typer.Option(help="Folder for settings, logs, ledger, history and report.")] = Path(
        "demo-output"
    ),
    keep: Annotated[bool, typer.Option("--keep", help="Move an earlier run aside instead of replacing it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reconciliation as JSON.")] = False,
) -> None:
    """Run a simulated plant day through broker, flows, poster and a sandbox ERP, with outages and crashes.

    Exit code 0: every piece and movement is booked once, and every crossing of stock asked once. 1: something differs,
    or a process failed. 2: wrong use.

    Example: `millrace demo --seconds 10 --out demo-output`
    """
    try:
        from sandbox.demo import DemoOptions, run  # noqa: PLC0415 - an optional extra, slow to import
    except ModuleNotFoundError as error:
        raise Misconfigured(f"the demo needs {error.name}: install millrace[sandbox]") from error
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console.width = WIDTH  # a file or a pipe has no width of its own
    result = run(DemoOptions(out, seed, hours, scale, seconds, keep), console)
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=1))
    raise typer.Exit(result.exit_status)
