"""Options and output that the contract commands share."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from millrace.errors import Misconfigured
from schemas.contracts import AVRO_FOLDER
from schemas.registry import RegistrySchemas

Folder = Annotated[
    Path, typer.Option("--folder", help="Folder of the .avsc files, with released/ below it.", show_default=False)
]
RegistryUrl = Annotated[
    str | None,
    typer.Option("--registry", envvar="MILLRACE_REGISTRY__URL", help="Base URL of a Confluent-compatible registry."),
]
RegistryUser = Annotated[
    str | None,
    typer.Option(
        "--registry-user",
        envvar="MILLRACE_REGISTRY__USER",
        help="User; the password comes from MILLRACE_REGISTRY__PASSWORD alone.",
    ),
]
RegistryCa = Annotated[
    Path | None, typer.Option("--registry-ca", envvar="MILLRACE_REGISTRY__CA", help="CA bundle of the registry.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds for one request to the registry.")]
DEFAULT_FOLDER = AVRO_FOLDER


def existing(folder: Path) -> Path:
    """The folder, if it holds contracts.

    Raises:
        Misconfigured: It does not.
    """
    if not any(folder.glob("*.avsc")):
        raise Misconfigured(f"--folder {folder}: there is no .avsc file")
    return folder


def connected(url: str | None, user: str | None, ca: Path | None, timeout: float) -> RegistrySchemas:
    """Connection to the registry that the options name.

    Raises:
        Misconfigured: They name none, or a CA bundle that is not there.
    """
    if url is None:
        raise Misconfigured("--registry: give the registry's URL, or set MILLRACE_REGISTRY__URL")
    if not url.startswith(("http://", "https://")):
        raise Misconfigured(f"--registry: {url!r} is no http or https address")
    if ca is not None and not ca.is_file():
        raise Misconfigured(f"--registry-ca: there is no file {ca}")
    auth = (user, os.environ.get("MILLRACE_REGISTRY__PASSWORD", "")) if user else None
    return RegistrySchemas(url, auth=auth, ca=ca, timeout=timeout)


def print_json(value: Any) -> None:
    """One JSON document to standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
