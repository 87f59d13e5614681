"""Options that mean the same in several commands, and options taken together as one value."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

Texts = list[str] | None
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
LEDGER_HELP = "URL of the ledger: sqlite:////path/to/ledger.db or postgresql+psycopg://user@host/name."
LedgerUrl = Annotated[str | None, typer.Option("--ledger", help=LEDGER_HELP)]
CountOnly = Annotated[bool, typer.Option("--dry-run", help="Count only.")]
Root = Annotated[str, typer.Option("--root", help="History (`history` of the flow): a folder, or s3://...")]
Topics = Annotated[Texts, typer.Option("--topic", help="Topic; may be given again. All when left out.")]
Recovery = Annotated[
    list[Path] | None,
    typer.Option("--recovery", help="Recovery store of a flow that writes here; may be given again."),
]
Retired = Annotated[
    Texts,
    typer.Option(
        "--retired",
        help="Generation (second part of file names) whose recovery store is gone for good; may be given again.",
    ),
]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take several options as one value.

    A parameter whose type is a dataclass, each field of it an annotated option, stands for these options.
    """
    given = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {each.name: each.annotation for each in given if is_dataclass(each.annotation)}
    parameters: list[inspect.Parameter] = []
    for each in given:
        parameters += _options(groups[each.name]) if each.name in groups else [each]

    @wraps(command)
    def called(**options: Any) -> None:
        for name, group in groups.items():
            options[name] = group(**{field.name: options.pop(field.name) for field in fields(group)})
        command(**options)

    del called.__wrapped__  # whoever asks for the parameters is told the options
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    )
    return called


def _options(group: type[Any]) -> list[inspect.Parameter]:
    kinds = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=kinds[field.name],
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
        )
        for field in fields(group)
    ]
