"""The `millrace` command: one file per sub-command, errors as one sentence and an exit code.

Exit codes: 0 done, 1 done but something needs a look (rows refused, totals differ), 2 wrong use or settings.
"""

from __future__ import annotations

from typing import Annotated

import typer

from millrace import __version__
from millrace.cli import (
    config,
    contracts,
    demo,
    dlq,
    health,
    history,
    ledger,
    mapping,
    post,
    query,
    replay,
    run,
    state,
    status,
)
from millrace.cli.ending import end_in_a_sentence

app = typer.Typer(
    name="millrace",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def millrace(
    *, show_version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False
) -> None:
    """From machine cycles to booked ERP confirmations, exactly once in effect.

    Exit codes: 0 done; 1 done but something needs a look (rows refused, totals differ), or a system is down; 2 wrong
    use or settings. The help of each command says what they mean there.

    Example: `millrace demo` shows all of it on this machine.
    """
    if show_version:
        version()
        raise typer.Exit


app.command("run")(run.run)
app.command("replay")(replay.replay)
app.add_typer(post.app, name="post")
app.add_typer(dlq.app, name="dlq")
app.command("health")(health.health)
app.command("status")(status.status)
app.command("trace")(status.trace)
app.command("demo")(demo.demo)
app.add_typer(ledger.app, name="ledger")
app.add_typer(config.app, name="config")
app.add_typer(state.app, name="state")
app.add_typer(mapping.app, name="mapping")
app.add_typer(contracts.app, name="contracts")
app.add_typer(history.app, name="history")
app.command("query", context_settings=query.SETTINGS)(query.query_command)


@app.command()
def version() -> None:
    """Print the version, as `millrace --version`. Exit code 0."""
    typer.echo(__version__)


def main() -> None:
    """Entry point of the console script."""
    end_in_a_sentence(app)


if __name__ == "__main__":
    main()
