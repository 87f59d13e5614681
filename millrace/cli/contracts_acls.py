"""`millrace contracts acls`: the rights of producers and consumers on a cluster, from what the contracts declare."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import BaseModel, ConfigDict

from millrace.cli.contracts_options import DEFAULT_FOLDER, Folder, existing, print_json
from millrace.errors import Misconfigured
from millrace.settings import load
from schemas.contracts import load as load_contract
from schemas.governance.acls import PRINCIPAL, Grant, grants
from sinks.kafka_acls import ClusterGrants
from sources.kafka_refusal import reachable
from sources.kafka_settings import KafkaSettings


class _Cluster(BaseModel):
    """Settings file of an administrator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kafka: KafkaSettings


def acls(
    form: Annotated[
        Literal["kafka", "json"], typer.Option("--format", help="Lines for kafka-acls.sh, or JSON.")
    ] = "kafka",
    apply: Annotated[bool, typer.Option("--apply", help="Add what is missing on the cluster of --config.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare with the cluster; write nothing.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file with `kafka`: the cluster and our user there.")
    ] = None,
    bootstrap: Annotated[str, typer.Option(help="Broker that the printed lines name.")] = "localhost:9092",
    command_config: Annotated[
        str | None, typer.Option("--command-config", help="Client properties that the printed lines name.")
    ] = None,
    principal: Annotated[
        str, typer.Option(help="How parties are called on the cluster, such as 'User:CN={kind}-{name},O=Example'.")
    ] = PRINCIPAL,
    topic_prefix: Annotated[str, typer.Option("--topic-prefix", help="Stands before the topics' names.")] = "",
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Print, or with --apply add, the ACLs that the contracts' producers and consumers need; nothing is removed.

    Exit code 0: printed, or all stand. 1: --dry-run found some missing, or the cluster does not answer.
    2: wrong options, or our user may not.

    Example: `millrace contracts acls --bootstrap broker:9092`
    """
    wanted = grants(map(load_contract, sorted(existing(folder).glob("*.avsc"))), principal, topic_prefix)
    if apply or dry_run:
        _on_cluster(wanted, config, dry_run=dry_run, as_json=form == "json")
    elif form == "json":
        print_json({"grants": [asdict(each) for each in wanted]})
    else:
        for each in wanted:
            typer.echo(each.command(bootstrap, command_config))


def _on_cluster(wanted: list[Grant], config: Path | None, *, dry_run: bool, as_json: bool) -> None:
    if config is None:
        raise Misconfigured("--config: name a settings file with `kafka`")
    client = load(_Cluster, config).kafka.client()
    reachable(client)
    cluster = ClusterGrants(client)
    found = cluster.compare(wanted)
    if not dry_run:
        cluster.add(found.missing)
    if as_json:
        missing, present = ([asdict(grant) for grant in some] for some in (found.missing, found.present))
        print_json({"dry_run": dry_run, "missing": missing, "present": present, "beyond": found.beyond})
    else:
        for grant in found.missing:
            typer.echo(f"{'missing' if dry_run else 'added'}: {grant.sentence()}")
        for sentence in found.beyond:
            typer.echo(f"beyond the contracts: {sentence}", err=True)
        typer.echo(f"{len(found.present)} stood already, {len(found.missing)} {'missing' if dry_run else 'added'}")
    raise typer.Exit(1 if dry_run and found.missing else 0)
