"""`millrace ledger`: what a ledger holds, its schema, and the archive."""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import func, select

from dataflows.registry import settings_of
from millrace.cli.ledger_downgrade import take_ledger_back
from millrace.cli.options import CountOnly, Json, LedgerUrl, grouped
from millrace.cli.status import ledger_url
from millrace.errors import Misconfigured
from millrace.ledger import Ledger, queries
from millrace.ledger.archiving import archive as archive_old
from millrace.ledger.tables import SCHEMA_VERSION, archives, tombstones
from millrace.ledger.tombstones import restore as restore_unit

app = typer.Typer(no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """The posting ledger: its schema, and what is old moved to Parquet.

    Exit codes of all commands: 0 done; 1 the ledger does not answer, or you said no; 2 wrong use, or no such ledger.
    """


@dataclass(frozen=True, slots=True)
class Which:
    """The ledger, from the command line or else from the settings of the flow."""

    ledger: LedgerUrl = None
    config: Annotated[Path | None, typer.Option("--config", help="Settings of the flow; they name the ledger.")] = None

    @property
    def url(self) -> str:
        """URL of a ledger that is there.

        Raises:
            Misconfigured: Neither names one, or there is none.
        """
        return ledger_url(self.ledger, settings_of(self.config))

    @property
    def url_of_any(self) -> str:
        """URL of a ledger that may be new.

        Raises:
            Misconfigured: Neither names one.
        """
        url = self.ledger or settings_of(self.config).ledger
        if url is None:
            raise Misconfigured("--ledger: give its URL, or --config with the flow's settings")
        return url


@app.command()
@grouped
def upgrade(which: Which) -> None:
    """Make the tables, or bring those of an older Millrace up to date, as every process does at its start.

    Example: `millrace ledger upgrade --ledger sqlite:///ledger.db`
    """
    Ledger(which.url_of_any, who="cli").close()
    typer.echo(f"schema version {SCHEMA_VERSION}")


@app.command()
@grouped
def info(which: Which, as_json: Json = False) -> None:
    """Schema version and how much is in the ledger and in its archive.

    Example: `millrace ledger info --ledger sqlite:///ledger.db`
    """
    with Ledger(which.url, who="cli") as opened:
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
@grouped
def archive(
    which: Which,
    older_than: Annotated[float, typer.Option("--older-than", help="Days without a change.", min=0)],
    out: Annotated[Path, typer.Option("--out", help="Folder of the archive.")],
    dry_run: CountOnly = False,
    as_json: Json = False,
) -> None:
    """Move settled, fully booked old orders to Parquet. A later revision of such an order brings it back by itself.

    Example: `millrace ledger archive --ledger sqlite:///ledger.db --older-than 400 --out archive`
    """
    with Ledger(which.url, who="cli") as opened:
        done = archive_old(opened, out, older_than, getpass.getuser(), dry_run=dry_run)
    _show(done.as_json(), as_json)


@app.command()
@grouped
def restore(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Production order.")],
    which: Which,
    plant: Annotated[str, typer.Option("--plant", help="Plant.")],
    why: Annotated[str, typer.Option("--reason", "--why", help="Why you do it; stands in the audit.")],
) -> None:
    """Bring an archived order back into the ledger, for instance to look at it with `millrace trace`.

    Example: `millrace ledger restore 4711 --plant 0100 --reason "question of the auditor" --ledger sqlite:///ledger.db`
    """
    unit = f"order|{plant}|{order}"
    with Ledger(which.url, who="cli") as opened, opened.changing() as connection:
        row = connection.execute(select(tombstones).where(tombstones.c.unit == unit)).one_or_none()
        if row is None:
            raise Misconfigured(f"order {order!r} of plant {plant!r} is not in the archive")
        count = restore_unit(connection, unit, row.packed, opened.now(), getpass.getuser(), why)
    typer.echo(f"{count} documents are back; what happened to them is also in archive batch {row.batch}")


@app.command()
@grouped
def downgrade(
    which: Which,
    to: Annotated[
        int, typer.Option("--to", help="Schema version that the older release knows; its `millrace ledger info` says.")
    ] = SCHEMA_VERSION - 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whether it can be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Bring the tables back to what the release before knows. Stop all flows and posters, and back the ledger up first.

    Documents, postings, dead letters and audit stay. Given up is what the newer tables alone hold.

    Example: `millrace ledger downgrade --ledger sqlite:///ledger.db --dry-run`
    """
    take_ledger_back(which.url, to, dry_run=dry_run, yes=yes)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        typer.echo(f"{name.replace('_', ' ')}: {value}")


__all__ = ["app"]
