"""`millrace contracts lint`: rules that every contract keeps."""

from __future__ import annotations

import typer

from millrace.cli.contracts_options import DEFAULT_FOLDER, Folder, existing, print_json
from millrace.cli.options import Json
from schemas.governance.lint import lint_folder


def lint(folder: Folder = DEFAULT_FOLDER, as_json: Json = False) -> None:
    """Check that every field says meaning and unit, and every contract owner, tier, key, retention and personal data.

    Exit code 0: clean. 1: findings, each with file, line and field. 2: a file is no JSON or there is none.

    Example: `millrace contracts lint`
    """
    found = lint_folder(existing(folder))
    if as_json:
        print_json({"findings": [each.plain() for each in found]})
    else:
        for each in found:
            typer.echo(str(each))
        typer.echo(f"{len(found)} findings in {len(list(folder.glob('*.avsc')))} contracts")
    raise typer.Exit(1 if found else 0)
