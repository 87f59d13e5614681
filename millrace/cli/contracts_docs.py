"""`millrace contracts docs`: the static site about the contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.contracts_options import DEFAULT_FOLDER, Folder, existing, print_json
from millrace.cli.options import Json
from schemas.governance import site


def docs(
    out: Annotated[Path, typer.Option(help="Folder to write.", show_default=False)] = site.TARGET,
    folder: Folder = DEFAULT_FOLDER,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 where files are stale.")] = False,
    as_json: Json = False,
) -> None:
    """Write the site: a page per contract with fields, picture of producers and consumers, examples and change log.

    Exit code 0: written, or fresh. 1: stale (with --check). 2: a file is no contract.

    Example: `millrace contracts docs --out site`
    """
    existing(folder)
    stale = site.stale(out, folder) if check else []
    files = 0 if check else site.write(out, folder)
    if as_json:
        print_json({"folder": str(out), "written": files, "stale": stale})
    elif check:
        typer.echo(f"{len(stale)} stale files: run `millrace contracts docs`" if stale else "fresh")
    else:
        typer.echo(f"{out}: {files} files")
    raise typer.Exit(1 if stale else 0)
