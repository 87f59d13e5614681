"""`millrace ledger`: what a ledger holds, its schema, and the archive."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import func, select

from millrace.cli.ledger_downgrade import downgrade
from millrace.errors import Misconfigured
from millrace.ledger import Ledger, queries
from millrace.ledger.archiving import archive as archive_old
from millrace.ledger.tables import SCHEMA_VERSION, archives, tombstones
from millrace.ledger.tombstones import restore as restore_unit

app = typer.Typer(help="The posting ledger: its schema, and what is old moved to Parquet.", no_args_is_help=True)
app.command()(downgrade)
Url = Annotated[str, typer.Option("--ledger", help="URL, as sqlite:////path/to/ledger.db or postgresql+psycopg://...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def upgrade(ledger: Url) -> None:
    """Make the tables, or bring those of an older Millrace up to date, as every process does at its start."""
    Ledger(ledger, who="cli").close()
    typer.echo(f"schema version {SCHEMA_VERSION}")


@app.command()
def info(ledger: Url, as_json: AsJson = False) -> None:
    """Schema version and how much is in the ledger and in its archive."""
    with Ledger(ledger, who="cli") as opened:
        found: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "documents": opened.ask(queries.documents_by_state),
            "postings": opened.ask(queries.postings_by_status),
            "archive_batches": opened.ask(lambda c: c.scalar(select(func.count()).select_from(archives))),
            "archived_documents": opened.ask(lambda c: c.scalar(select(func.sum(archives.c.documents)))) or 0,
            "tombstones": opened.ask(lambda c: c.scalar(select(func.count()).select_from(tombstones))),
        }
    _show(found, as_json)


@app.command()
def archive(
    ledger: Url,
    older_than: Annotated[float, typer.Option(help="Days without a change.", min=0)],
    out: Annotated[Path, typer.Option(help="Folder of the archive.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move settled, fully booked old orders to Parquet. A later revision of such an order brings it back by itself."""
    with Ledger(ledger, who="cli") as opened:
        done = archive_old(opened, out, older_than, getpass.getuser(), dry_run=dry_run)
    _show(done.as_json(), as_json)


@app.command()
def restore(
    ledger: Url,
    order: Annotated[str, typer.Argument(help="Order.")],
    plant: Annotated[str, typer.Option(help="Plant.")],
    why: Annotated[str, typer.Option(help="Reason, for the audit.")],
) -> None:
    """Bring an archived order back into the ledger, for instance to look at it with `millrace trace`."""
    unit = f"order|{plant}|{order}"
    with Ledger(ledger, who="cli") as opened, opened.changing() as connection:
        row = connection.execute(select(tombstones).where(tombstones.c.unit == unit)).one_or_none()
        if row is None:
            raise Misconfigured(f"order {order!r} of plant {plant!r} is not in the archive")
        count = restore_unit(connection, unit, row.packed, opened.now(), getpass.getuser(), why)
    typer.echo(f"{count} documents are back; what happened to them is also in archive batch {row.batch}")


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        typer.echo(f"{name.replace('_', ' ')}: {value}")


__all__ = ["app"]
