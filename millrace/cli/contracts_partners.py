"""`millrace contracts view` and `forward`: what a partner may see, and its records with that alone."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dataflows.forwarding import Forwarder
from dataflows.partners import PartnersSettings
from dataflows.parts import registry_or_folder
from millrace.cli.contracts_options import print_json
from millrace.cli.options import Json
from millrace.errors import Misconfigured
from millrace.settings import load
from millrace.shutdown import draining, install
from millrace.telemetry import configure_logging
from schemas.codec import Codec

Config = Annotated[Path, typer.Option("--config", help="Settings file of the partners.")]


def view(
    partner: Annotated[str, typer.Argument(metavar="PARTNER", help="Partner of the settings file.")],
    name: Annotated[str, typer.Option("--contract", help="Contract.")],
    config: Config,
    explain: Annotated[bool, typer.Option("--explain", help="Show what is left out, and why, instead.")] = False,
) -> None:
    """The schema that a partner gets: the contract without the fields that its tags keep back.

    Exit code 0: printed. 2: no such partner or contract, or the settings ask for what may not be.

    Example: `millrace contracts view customer --contract ShipmentNotice --config partners.yaml`
    """
    found = load(PartnersSettings, config).partner(partner).view(name)
    if explain:
        print_json({"partner": partner, "contract": name, "left_out": found.dropped, "readable": found.readable})
    else:
        print_json(found.contract.schema)


def forward(
    partner: Annotated[str, typer.Option("--partner", help="Partner of the settings file.")],
    topic: Annotated[str, typer.Option("--topic", help="Topic of a contract.")],
    to: Annotated[str, typer.Option("--to", help="The partner's topic; it has to exist.")],
    config: Config,
    once: Annotated[bool, typer.Option("--once", help="Only up to the topic's end as of now.")] = False,
    as_json: Json = False,
) -> None:
    """Write a topic's records to a partner's topic with the allowed fields alone, at least once, until SIGTERM.

    A later run goes on where this one ended. Records that break the contract are not forwarded, but counted.

    Exit code 0: all were forwarded. 1: some break the contract, or the broker refused one. 2: settings or topics.

    Example: `millrace contracts forward --partner customer --topic shipment-notice --to customer.shipments
    --config partners.yaml --once`
    """
    settings = load(PartnersSettings, config)
    if settings.kafka is None:
        raise Misconfigured(f"{config}: kafka is missing")
    if to == topic:
        raise Misconfigured("--to is the topic itself")
    seen = settings.partner(partner).view(settings.contract_of(topic).name)
    codec = Codec(replace(seen.contract, topic=to), registry_or_folder(settings.registry))
    configure_logging()
    install()
    group = f"millrace-forward.{partner}.{topic}.{to}"
    with closing(Forwarder(settings.kafka.client(), codec, topic, to, group)) as forwarder:
        forwarder.run(draining.is_set, to_end=once)
    _tell(forwarder, as_json=as_json)
    raise typer.Exit(1 if forwarder.refused else 0)


def _tell(forwarder: Forwarder, *, as_json: bool) -> None:
    if as_json:
        print_json({"forwarded": forwarder.forwarded, "refused": dict(forwarder.refused)})
        return
    for reason, count in forwarder.refused.most_common():
        typer.echo(f"not forwarded: {count} records: {reason}", err=True)
    typer.echo(f"{forwarder.forwarded} records forwarded")
