"""How a command ends: errors as one sentence and an exit code, without secrets."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from millrace.errors import MillraceError, Misconfigured
from millrace.redact import redact


def end_in_a_sentence(command: Callable[[], object]) -> None:
    """Run a command line."""
    try:
        command()
    except Misconfigured as error:
        typer.echo(redact(f"millrace: {error}"), err=True)
        sys.exit(2)
    except MillraceError as error:
        typer.echo(redact(f"millrace: {error}"), err=True)
        sys.exit(1)
