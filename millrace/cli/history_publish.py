"""`millrace history publish`: closed plant-days as tables of Delta Lake or Iceberg."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer

from millrace.cli.options import Json, Root, Topics
from millrace.errors import Misconfigured
from sinks.history.delta import DeltaTarget
from sinks.history.iceberg import IcebergTarget
from sinks.history.places import located
from sinks.history.publish import Published, Target, publish
from sinks.history.store import require
from sinks.history.zones import topics


def publish_command(
    root: Root,
    delta: Annotated[str | None, typer.Option(help="Folder, or s3://..., of Delta tables; one per topic.")] = None,
    iceberg: Annotated[
        str | None, typer.Option(metavar="CATALOG", help="Catalogue of Iceberg tables, as pyiceberg is configured.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the Iceberg tables.")] = "millrace",
    topic: Topics = None,
    as_json: Json = False,
) -> None:
    """Bring a table per topic to what is compacted, each day in one commit. One-shot: run it after `compact`.

    Example: `millrace history publish --root history --delta s3://lake/millrace`
    """
    history, target = located(root), _target(delta, iceberg, namespace)
    require(history, "--root")
    done = [publish(history, name, target(name)) for name in topic or topics(history)]
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in done], indent=2))
        return
    for each in done:
        typer.echo(_sentence(each))


def _target(delta: str | None, iceberg: str | None, namespace: str) -> Callable[[str], Target]:
    if (delta is None) == (iceberg is None):
        raise Misconfigured("give either --delta or --iceberg")
    if delta is not None:
        tables = located(delta)
        return lambda topic: DeltaTarget(tables, topic)
    return lambda topic: IcebergTarget(str(iceberg), namespace, topic)


def _sentence(done: Published) -> str:
    return f"{done.topic}: {done.days} days with {done.rows} rows committed, {done.unchanged} were there already"
