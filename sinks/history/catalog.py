"""What can be asked: the views in `views/`, each with its meaning, parameters and columns as its file's head tells.

A head has lines of comment: the meaning first, then `parameter NAME (kind): meaning` and `column NAME [unit]: meaning`.
In the statement `getvariable('NAME')` is the parameter's value, null where none is given: the views hold in any DuckDB,
with `SET VARIABLE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from millrace.errors import Misconfigured

FOLDER = Path(__file__).parent / "views"
_LINE = re.compile(r"-- (?P<kind>parameter|column) (?P<name>\w+)(?: [(\[](?P<about>[^)\]]+)[)\]])?: (?P<meaning>.+)")


@dataclass(frozen=True, slots=True)
class Said:
    """A parameter or column: `about` is a parameter's kind (`date`, `required`, `one of A, B`), a column's unit."""

    name: str
    about: str
    meaning: str


@dataclass(frozen=True, slots=True)
class View:
    """One view.

    Args:
        name: Name.
        meaning: What it answers.
        parameters: By name.
        columns: In order.
        sql: The statement.
        needs: Tables and views that the statement names.
    """

    name: str
    meaning: str
    parameters: Mapping[str, Said]
    columns: tuple[Said, ...]
    sql: str
    needs: frozenset[str]

    def variables(self, given: Mapping[str, str]) -> dict[str, str]:
        """Checked values of the parameters.

        Raises:
            Misconfigured: A parameter is unknown, missing, no date, or none of the values that it may have.
        """
        for name, value in given.items():
            if name not in self.parameters:
                known = ", ".join(f"--{each}" for each in self.parameters) or "none"
                raise Misconfigured(f"{self.name} has no parameter --{name}; it has {known}")
            _check(self.parameters[name], value)
        missing = [
            each.name for each in self.parameters.values() if each.about == "required" and each.name not in given
        ]
        if missing:
            raise Misconfigured(f"{self.name} needs --{missing[0]}: {self.parameters[missing[0]].meaning}")
        return dict(given)


def _check(parameter: Said, value: str) -> None:
    if parameter.about.startswith("one of ") and value.upper() not in parameter.about.removeprefix("one of ").split(
        ", "
    ):
        raise Misconfigured(f"--{parameter.name}: {value!r} is not {parameter.about}")
    if parameter.about != "date":
        return
    try:
        date.fromisoformat(value)
    except ValueError as error:
        raise Misconfigured(f"--{parameter.name}: {value!r} is no date, as 2026-03-01") from error


@cache
def views() -> dict[str, View]:
    """All views, each after those that it builds on."""
    found = {path.stem: _read(path) for path in sorted(FOLDER.glob("*.sql"))}
    ordered: dict[str, View] = {}
    while len(ordered) < len(found):
        ready = {name: each for name, each in found.items() if not each.needs & (found.keys() - ordered.keys())}
        ordered |= {name: each for name, each in ready.items() if name not in ordered}
    return ordered


def _read(path: Path) -> View:
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("-- ")]
    said = [match for line in head if (match := _LINE.fullmatch(line))]
    parts = [(each["kind"], Said(each["name"], each["about"] or "", each["meaning"])) for each in said]
    sql = "\n".join(lines[len(head) :])
    others = {each.stem for each in FOLDER.glob("*.sql")} - {path.stem}
    return View(
        path.stem,
        " ".join(line.removeprefix("-- ") for line in head if not _LINE.fullmatch(line)),
        {each.name: each for kind, each in parts if kind == "parameter"},
        tuple(each for kind, each in parts if kind == "column"),
        sql,
        frozenset(others & words(sql)),
    )


def words(sql: str) -> set[str]:
    """Names in a statement, in lower case."""
    return {word.lower() for word in re.findall(r"\w+", sql)}


def closure(sql: str, known: Iterable[str]) -> tuple[list[View], set[str]]:
    """Views that a statement builds on, in the order to define them, and the names among `known` that they all use."""
    wanted = words(sql)
    for view in reversed(views().values()):
        if view.name in wanted:
            wanted |= words(view.sql)
    return [view for view in views().values() if view.name in wanted], wanted & set(known)
