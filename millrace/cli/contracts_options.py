"""Options and output that the contract commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from millrace.errors import Misconfigured
from schemas.contracts import AVRO_FOLDER

Folder = Annotated[
    Path, typer.Option("--folder", help="Folder of the .avsc files, with released/ below it.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
DEFAULT_FOLDER = AVRO_FOLDER


def existing(folder: Path) -> Path:
    """The folder, if it holds contracts.

    Raises:
        Misconfigured: It does not.
    """
    if not any(folder.glob("*.avsc")):
        raise Misconfigured(f"--folder {folder}: there is no .avsc file")
    return folder


def print_json(value: Any) -> None:
    """One JSON document to standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
