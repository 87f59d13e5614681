"""`millrace contracts register` and `release`: new versions, here and in a registry."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Annotated

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
from millrace.errors import Misconfigured
from schemas.contracts import Contract, load
from schemas.governance.registering import Registrar, Step
from schemas.governance.releasing import release as release_version

Only = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Contracts; all where none is named.")]


def register(
    names: Only = None,
    folder: Folder = DEFAULT_FOLDER,
    registry: RegistryUrl = None,
    registry_user: RegistryUser = None,
    registry_ca: RegistryCa = None,
    timeout: Timeout = 5.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Register contracts under their subjects at FULL_TRANSITIVE; a second run does nothing.

    All are checked against all versions in the registry before the first is written.

    Exit code 0: all stand in the registry. 1: it does not answer, or a contract is refused (then nothing was written).
    2: it is read-only, refuses, or options are wrong.

    Example: `millrace contracts register --registry http://localhost:8081 --dry-run`
    """
    chosen = _chosen(names or [], existing(folder))
    done: list[Step] = []
    with closing(connected(registry, registry_user, registry_ca, timeout)) as source:
        registrar = Registrar(source, date.today())
        steps = registrar.plan(chosen)
        for step in steps if dry_run else registrar.carry_out(steps):
            done.append(step)
            if not as_json:
                _print(step, steps[len(done) - 1].actions)
    if as_json:
        plans = zip(done, steps, strict=True)
        print_json({"dry_run": dry_run, "subjects": [{**d.plain(), "actions": s.actions} for d, s in plans]})


def _chosen(names: list[str], folder: Path) -> dict[str, Contract]:
    found = {each.name: each for each in map(load, sorted(folder.glob("*.avsc")))}
    unknown = [name for name in names if name not in found]
    if unknown:
        raise Misconfigured(f"no contract is named {unknown[0]!r}; there are {', '.join(found)}")
    return {name: found[name] for name in names or found}


def _print(step: Step, actions: list[str]) -> None:
    what = ", ".join(actions) or "nothing to do"
    where = f" -> version {step.present}, id {step.id}" if step.id is not None else ""
    typer.echo(f"{step.contract.subject}: {what}{where}")


def release(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Contract.")],
    change: Annotated[list[str], typer.Option("--change", help="What changed, one sentence; may be given again.")],
    folder: Folder = DEFAULT_FOLDER,
    as_json: Json = False,
) -> None:
    """Make the current file the next released version, and enter it in the release log.

    Exit code 0: released. 1: nothing to release. 2: lint or compatibility refuse it.

    Example: `millrace contracts release MachineCycle --change "field mould was added"`
    """
    released = release_version(name, change, existing(folder), date.today())
    if released is None:
        typer.echo(f"{name}: the current file is a released version already", err=True)
        raise typer.Exit(1)
    if as_json:
        print_json({"contract": name, "version": released.version, "date": released.date})
    else:
        typer.echo(f"{name}: version {released.version} of {released.date}, owner {released.owner}")
