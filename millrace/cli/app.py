"""The `millrace` command: one file per sub-command, errors as one sentence and an exit code.

Exit codes: 0 done, 1 done but something needs a look (rows refused, totals differ), 2 wrong use or settings.
"""

from __future__ import annotations

import sys

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
from millrace.errors import MillraceError, Misconfigured
from millrace.redact import redact

app = typer.Typer(
    name="millrace",
    help="From machine cycles to booked ERP confirmations, exactly once in effect.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
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
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except Misconfigured as error:
        typer.echo(redact(f"millrace: {error}"), err=True)
        sys.exit(2)
    except MillraceError as error:
        typer.echo(redact(f"millrace: {error}"), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
