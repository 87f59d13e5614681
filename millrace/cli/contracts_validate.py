"""`millrace contracts validate` and `usage`: try records, and see who still writes deprecated fields."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from dataflows import parts
from dataflows.judging import Judgement, judge_files, judge_topic, plain_use
from dataflows.settings import ConfirmationsSettings
from millrace.cli.contracts_options import print_json
from millrace.cli.options import Json
from millrace.errors import Misconfigured
from millrace.settings import load
from schemas.contracts import Contract, contract, contracts
from schemas.governance.release_log import deprecations
from schemas.mapping import MappedBatch
from schemas.registry import RegistrySchemas
from sources.files import FileReader
from sources.kafka_sample import look
from sources.kafka_settings import KafkaSettings

Target = Annotated[str, typer.Argument(metavar="FILE|TOPIC", help="File, folder or pattern of files, or a topic.")]
Name = Annotated[
    str | None, typer.Option("--contract", help="Contract of the records; a topic of ours tells it by its name.")
]
Config = Annotated[Path | None, typer.Option("--config", help="Settings of the flow: broker, registry, limits.")]
Bootstrap = Annotated[str | None, typer.Option("--bootstrap", help="Broker, host:port; instead of --config.")]
Last = Annotated[int | None, typer.Option("--last", min=1, help="Only the newest records of each partition.")]


def validate(
    target: Target,
    name: Name = None,
    config: Config = None,
    bootstrap: Bootstrap = None,
    last: Last = None,
    as_json: Json = False,
) -> None:
    """How many records would be dead-lettered, and why; nothing is consumed for the flows, no offset moves.

    Records of a topic are judged by the flow's own rules and limits, those of files as a run on files would.

    Exit code 0: every record would be taken. 1: some would be dead-lettered. 2: no such file, topic or broker.

    Example: `millrace contracts validate cycles.jsonl --contract MachineCycle`
    """
    verdict, found = _judged(target, name, config, bootstrap, last)
    if as_json:
        print_json({"contract": found.name, **verdict.plain()})
    else:
        _print(verdict, found)
    raise typer.Exit(1 if verdict.dead else 0)


def usage(
    target: Annotated[
        list[str], typer.Argument(metavar="FILE|TOPIC", help="Files or folders (such as the history), or topics.")
    ],
    name: Name = None,
    config: Config = None,
    bootstrap: Bootstrap = None,
    last: Last = None,
    as_json: Json = False,
) -> None:
    """Which sources still write deprecated fields, and how often.

    A value that is not the field's default counts. Take a topic, or files such as a topic's folder of the history.

    Exit code 0: nobody does. 1: somebody does. 2: no such file, topic, contract or broker.

    Example: `millrace contracts usage history/machine-cycle`
    """
    found = [(each, *_judged(each, name, config, bootstrap, last)) for each in target]
    if as_json:
        print_json({"targets": [_plain(each, verdict, of) for each, verdict, of in found]})
    else:
        for each, verdict, of in found:
            _print_usage(each, verdict, of)
    raise typer.Exit(1 if any(verdict.deprecated for _, verdict, _ in found) else 0)


def _judged(
    target: str, name: str | None, config: Path | None, bootstrap: str | None, last: int | None
) -> tuple[Judgement, Contract]:
    if Path(target).exists() or glob.glob(target, recursive=True):
        found = _of_files(target, name)
        return judge_files(found.name, _file_batches(target, found.name)), found
    settings = load(ConfirmationsSettings, config)
    if bootstrap is not None:
        settings = settings.model_copy(update={"kafka": KafkaSettings(bootstrap=bootstrap)})
    if settings.kafka is None:
        raise Misconfigured(f"{target}: there is no such file; for a topic give --bootstrap or --config")
    found, client = _of_topic(target, name, settings), settings.kafka.client()
    with ExitStack() as opened:
        schemas = parts.schema_source(settings)
        if isinstance(schemas, RegistrySchemas):
            opened.callback(schemas.close)
        calendar = parts.calendar_book(settings, schemas, client) if config is not None else None
        return judge_topic(found.name, look(client, target, last), schemas, settings, calendar), found


def _file_batches(target: str, name: str) -> Iterator[tuple[str, MappedBatch]]:
    return ((each.file, each.mapped) for each in FileReader(target, contract=name))


def _of_files(target: str, name: str | None) -> Contract:
    """The history keeps each topic in a folder of its name."""
    if name is not None:
        return contract(name)
    folders = set(Path(target).resolve().parts)
    found = [each for each in contracts().values() if each.topic in folders or each.name == Path(target).stem]
    if len(found) != 1:
        raise Misconfigured(f"--contract: name the contract of {target}")
    return found[0]


def _of_topic(topic: str, name: str | None, settings: ConfirmationsSettings) -> Contract:
    if name is not None:
        return contract(name)
    found = [each for each in contracts().values() if settings.topics.get(each.name, each.topic) == topic]
    if not found:
        raise Misconfigured(f"--contract: no contract has the topic {topic!r}, and there is no such file")
    return found[0]


def _print(verdict: Judgement, found: Contract) -> None:
    typer.echo(
        f"{found.name}: read {verdict.read}, would be accepted {verdict.accepted}, "
        f"repeats {verdict.duplicates}, would be dead-lettered {verdict.dead}"
    )
    for reason, count in verdict.reasons.most_common():
        typer.echo(f"  {count} {reason}")
    for each in verdict.letters:
        typer.echo(f"    {each.place}: {each.reason}: {each.detail}")
    for (field, source), count in verdict.deprecated.most_common():
        typer.echo(f"  deprecated field {field} in {count} records of {source}")


def _plain(target: str, verdict: Judgement, of: Contract) -> dict[str, object]:
    return {
        "target": target,
        "contract": of.name,
        "read": verdict.read,
        "deprecated_fields": [
            {"field": each.field, "since": each.since, "until": each.until, "instead": each.instead}
            for each in deprecations(of.schema)
        ],
        "use": plain_use(verdict.deprecated),
    }


def _print_usage(target: str, verdict: Judgement, of: Contract) -> None:
    marked = deprecations(of.schema)
    typer.echo(f"{target}: {of.name}, {verdict.read} records, {len(marked)} deprecated fields")
    for each in marked:
        sources = {source: n for (field, source), n in verdict.deprecated.most_common() if field == each.field}
        told = ", ".join(f"{source} {count}" for source, count in sources.items()) or "nobody"
        typer.echo(f"  {each.field} (until {each.until}; {each.instead}): {told}")
