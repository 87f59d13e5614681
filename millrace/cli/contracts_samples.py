"""`millrace contracts new`, `sample` and `produce`: begin a contract, show its records, put load on a broker."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing, nullcontext
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import fastavro
import typer

from millrace.cli.contracts_options import (
    DEFAULT_FOLDER,
    Folder,
    RegistryCa,
    RegistryUrl,
    RegistryUser,
    Timeout,
    connected,
    existing,
    print_json,
)
from millrace.cli.options import Json
from sandbox.load import Load
from schemas.contracts import contract
from schemas.governance.scaffold import Draft, create
from schemas.registry import FolderSchemas, SchemaSource
from schemas.samples import sample as samples
from sources.kafka import partition_counts
from sources.kafka_settings import KafkaSettings


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Record name in PascalCase, such as QualityEvent.")],
    doc: Annotated[str, typer.Option(help="One sentence: what a record stands for.")],
    owner: Annotated[str, typer.Option(help="Team that answers for the producers.")],
    tier: Annotated[int, typer.Option(min=1, max=3, help="1 completion, 2 replenishment, 3 the rest.")] = 3,
    key: Annotated[str, typer.Option(help="Field that keys the records.")] = "source",
    retention: Annotated[str, typer.Option(help="operational, record or reference.")] = "operational",
    producer: Annotated[
        list[str] | None, typer.Option(help="kind:name, such as system:mes; may be given again.")
    ] = None,
    consumer: Annotated[
        list[str] | None, typer.Option(help="kind:name, such as team:analysts; may be given again.")
    ] = None,
    folder: Folder = DEFAULT_FOLDER,
    as_json: Json = False,
) -> None:
    """Write the file of a new contract with the common fields; lint accepts it, add your own fields to it.

    Exit code 0: written. 2: there is one of this name, or an option breaks a rule.

    Example: `millrace contracts new ToolChange --doc "A tool was changed." --owner toolroom`
    """
    draft = Draft(name, doc, owner, tier, key, retention, producer or ["system:mes"], consumer or ["team:analysts"])
    path = create(draft, existing(folder))
    if as_json:
        print_json({"contract": name, "file": str(path)})
    else:
        typer.echo(f"{path}: add fields, then `millrace contracts lint` and `millrace contracts release {name}`")


def sample(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Contract.")],
    n: Annotated[int, typer.Option("--count", "--n", min=1, max=1_000_000, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same records.")] = 0,
    form: Annotated[
        Literal["json", "avro"], typer.Option("--format", help="JSON Lines, or an Avro container.")
    ] = "json",
    out: Annotated[Path | None, typer.Option(help="File; standard output where it is left out.")] = None,
    as_json: Json = False,
) -> None:
    """Plausible records of a contract, derived from its schema; every reader of ours takes them.

    Exit code 0: written. 2: no such contract.

    Example: `millrace contracts sample MachineCycle --count 3`
    """
    found = contract(name)
    records = samples(found, n, seed)
    if form == "avro":
        with out.open("wb") if out else nullcontext(sys.stdout.buffer) as stream:
            fastavro.writer(stream, found.schema, records)
        return
    lines = json.dumps(records, default=_plain, indent=2) if as_json else "\n".join(map(_line, records))
    if out is None:
        typer.echo(lines)
    else:
        out.write_text(f"{lines}\n", encoding="utf-8")


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> str:
    """As `validate` and runs on files read them back; bytes as Avro's own JSON has them."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value.decode("latin-1")


def produce(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Contracts, such as MachineCycle WorkOrder.")],
    bootstrap: Annotated[str, typer.Option(help="Broker, host:port.")],
    rate: Annotated[
        float, typer.Option(min=0.1, max=200_000, help="Records per second, all contracts together.")
    ] = 100,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="How long; until interrupted where left out.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many records.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the plant; the time of day where left out.")] = None,
    faults: Annotated[bool, typer.Option("--faults", help="Send broken records, too, as real plants do.")] = False,
    registry: RegistryUrl = None,
    registry_user: RegistryUser = None,
    registry_ca: RegistryCa = None,
    timeout: Timeout = 5.0,
    as_json: Json = False,
) -> None:
    """Load generator: events of a simulated plant with times of now, to the contracts' topics, until interrupted.

    With a registry, records carry its schema ids; without, those of the folder, which flows without a registry know.

    Exit code 0: the broker took all. 1: it refused some, or went away. 2: no such contract, or wrong options.

    Example: `millrace contracts produce MachineCycle WorkOrder --bootstrap localhost:9092 --rate 50`
    """
    topics = {contract(name).topic for name in names}
    client = KafkaSettings(bootstrap=bootstrap).client()
    partition_counts(client, sorted(topics), patience=10.0)  # a missing topic is told before anything is sent
    with ExitStack() as opened:
        source: SchemaSource = FolderSchemas()
        if registry is not None:
            source = opened.enter_context(closing(connected(registry, registry_user, registry_ca, timeout)))
        load = Load(client, source, names, rate, int(time.time()) % 100_000 if seed is None else seed, faults=faults)
        begun = time.monotonic()
        try:
            load.run(seconds, count)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
    _told(load.taken, load.refused, time.monotonic() - begun, as_json=as_json)
    raise typer.Exit(1 if load.refused else 0)


def _told(taken: Counter[str], refused: Counter[str], seconds: float, *, as_json: bool) -> None:
    if as_json:
        print_json({"taken": dict(taken), "refused": dict(refused), "seconds": round(seconds, 3)})
        return
    for topic, records in sorted(taken.items()):
        typer.echo(f"{topic}: {records} records")
    for why, records in refused.items():
        typer.echo(f"refused: {records} records: {why}", err=True)
    typer.echo(f"{taken.total()} records in {seconds:.1f} s")
