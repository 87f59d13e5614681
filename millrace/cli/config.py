"""`millrace config`: settings checked, shown with where each comes from, and explained."""

from __future__ import annotations

import json as json_module
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Column, Table

from dataflows.config_check import POSTER_PREFIX, problems, unknown_variables
from dataflows.config_online import ask_all
from dataflows.registry import FLOWS, flow_named
from millrace.cli.options import Json
from millrace.cli.settings_page import page
from millrace.errors import Misconfigured
from millrace.redact import redact
from millrace.secret import keep_out_secrets
from millrace.settings import PREFIX, Given, read, read_what_can_be
from millrace.settings_file import SettingsFile
from millrace.settings_shown import shown
from sinks.erp.settings import PosterSettings

app = typer.Typer(help="Settings of flows and posters: check, show, explain.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(metavar="FILE", help="Settings of a flow or poster (YAML).")]
FlowName = Annotated[
    str | None, typer.Option("--flow", help=f"Flow: {', '.join(FLOWS)}; told by the file when left out.")
]
Poster = Annotated[bool, typer.Option("--poster", help="They are a poster's; told by the file when left out.")]


@app.command()
def check(
    file: File,
    flow: FlowName = None,
    poster: Poster = False,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask broker, topics, registry, ledger, folders and ERP hosts.")
    ] = False,
    json: Json = False,
) -> None:
    """Everything that is wrong with settings, each with file, line and field. Starts nothing, writes nothing.

    Exit codes: 0 all is well, 1 warnings alone or something cannot be reached, 2 the settings are wrong.

    Example: `millrace config check plant.yaml --online`
    """
    name, model, prefix = _model(file, flow, poster)
    warnings, reached = unknown_variables(model, prefix, os.environ), []
    given: Given[Any] | None
    given, wrong = read_what_can_be(model, file, prefix=prefix)
    if given is not None:
        keep_out_secrets(given.settings)
        wrong, warnings = [*wrong, *problems(given)], [*given.warnings, *warnings]
        if online:
            reached = list(ask_all(given.settings))
    if json:
        found = {"settings_of": name, "wrong": wrong, "warnings": warnings, "reached": list(map(asdict, reached))}
        typer.echo(redact(json_module.dumps(found, ensure_ascii=False, indent=2)))
    else:
        for line in (*wrong, *(f"warning: {text}" for text in warnings)):
            typer.echo(redact(line))
        for each in reached:
            typer.echo(redact(f"{'ok ' if each.holds else 'NO '} {each.what}: {each.detail}"))
        typer.echo(f"{file}: settings of {name}: " + (f"{len(wrong)} wrong" if wrong else "valid"))
    raise typer.Exit(2 if wrong else int(bool(warnings) or not all(each.holds for each in reached)))


@app.command()
def show(file: File, flow: FlowName = None, poster: Poster = False, json: Json = False) -> None:
    """The settings in effect: each key with its value and where it comes from. Secrets are left out.

    Exit codes: 0 shown, 2 the settings are wrong.

    Example: `millrace config show plant.yaml`
    """
    _, model, prefix = _model(file, flow, poster)
    given: Given[Any] = read(model, file, prefix=prefix)
    rows = shown(given)
    for warning in given.warnings:
        typer.echo(redact(f"warning: {warning}"), err=True)
    if json:
        typer.echo(json_module.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=2))
        return
    table = Table(*(Column(name, overflow="fold") for name in ("key", "value", "from")))
    for row in rows:
        value = row.value if isinstance(row.value, str) else json_module.dumps(row.value, ensure_ascii=False)
        table.add_row(row.key, value.replace("[", r"\["), row.whence)
    Console().print(table)


@app.command()
def docs() -> None:
    """The reference of all settings as Markdown, as in docs/settings.md. Exit code 0.

    Example: `millrace config docs`
    """
    typer.echo(page(), nl=False)


def _model(file: Path, flow: str | None, poster: bool) -> tuple[str, type[BaseModel], str]:
    """Whose settings these are: as told, else as the file's own keys say."""
    if poster and flow is not None:
        raise Misconfigured("--flow, --poster: give one of the two")
    if flow is not None:
        return flow, flow_named(flow).settings, PREFIX
    keys = SettingsFile.read(file).values
    if poster or "systems" in keys:
        return "a poster", PosterSettings, POSTER_PREFIX
    named = [each for each in FLOWS.values() if keys.get("flow") == each.settings.model_fields["flow"].default]
    best = min(named or FLOWS.values(), key=lambda each: len(keys.keys() - each.settings.model_fields.keys()))
    return best.name, best.settings, PREFIX


__all__ = ["app"]
