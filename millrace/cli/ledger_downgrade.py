"""`millrace ledger downgrade`: the way back to the release before."""

from __future__ import annotations

import typer
from sqlalchemy import func, select

from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.peek import peek
from millrace.ledger.schema import OLDEST, take_back
from millrace.ledger.tables import SCHEMA_VERSION, lanes


def take_ledger_back(ledger: str, to: int, *, dry_run: bool, yes: bool) -> None:
    """Take the tables of newer releases away, once somebody has said that nothing runs.

    Raises:
        Misconfigured: The ledger has another schema, or posters work on it.
    """
    found = peek(ledger)
    if found != SCHEMA_VERSION or not OLDEST <= to < SCHEMA_VERSION:
        raise Misconfigured(
            f"schema version {found} cannot be brought back to {to}: {OLDEST} to {SCHEMA_VERSION - 1} can"
        )
    with Ledger(ledger, who="cli") as opened:
        leased = select(func.count()).where(lanes.c.lease_owner.is_not(None), lanes.c.lease_until > opened.now())
        if held := opened.ask(lambda connection: connection.scalar(leased)):
            raise Misconfigured(f"posters hold {held} orders: stop them first, and wait until their leases end")
        typer.echo(f"schema version {found} becomes {to}; alerts kept here and standings of stock may be given up")
        if dry_run:
            return
        if not yes and not typer.confirm("Are all flows and posters stopped, and is there a backup?", err=True):
            raise typer.Exit(1)
        with opened.changing() as connection:
            take_back(connection, to)
    typer.echo(f"schema version {to}: start the older release; a newer one would upgrade it again")
