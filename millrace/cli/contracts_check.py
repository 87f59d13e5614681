"""`millrace contracts check`: the current contracts against all released versions."""

from __future__ import annotations

from contextlib import closing
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
from schemas.governance.check import Report, check_folder
from schemas.governance.versions import FolderVersions, GitVersions, RegistryVersions, Versions

Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        help="`registry`, a folder of contracts, or a Git ref; without it, released/ below the folder itself.",
    ),
]


def check(
    against: Against = None,
    folder: Folder = DEFAULT_FOLDER,
    registry: RegistryUrl = None,
    registry_user: RegistryUser = None,
    registry_ca: RegistryCa = None,
    timeout: Timeout = 5.0,
    as_json: Json = False,
) -> None:
    """Check FULL_TRANSITIVE compatibility with all released versions, and what registries let pass.

    A refusal names the field, the versions, the consumers that break and what to do instead.

    Exit code 0: compatible. 1: refused, or a registry that does not answer. 2: a file, ref or option is wrong.

    Example: `millrace contracts check --against main`
    """
    existing(folder)
    if against == "registry":
        with closing(connected(registry, registry_user, registry_ca, timeout)) as source:
            reports = check_folder(RegistryVersions(source), folder)
    else:
        reports = check_folder(_versions(against, folder), folder)
    if as_json:
        print_json({"contracts": [each.plain() for each in reports]})
    else:
        _print(reports)
    raise typer.Exit(1 if any(each.refusals for each in reports) else 0)


def _versions(against: str | None, folder: Path) -> Versions:
    """A folder where there is one of this name, else a Git ref."""
    if against is None:
        return FolderVersions(folder)
    return FolderVersions(existing(Path(against))) if Path(against).is_dir() else GitVersions(against, folder)


def _print(reports: list[Report]) -> None:
    for report in reports:
        typer.echo(f"{report.contract}: {report.verdict}, {report.versions} released versions")
        for each in report.allowed:
            where = f"{each.field}: " if each.field else ""
            typer.echo(f"  allowed: {where}{each}")
        for refusal in report.refusals:
            typer.echo(f"  refused: {refusal.sentence(report.contract)}")
