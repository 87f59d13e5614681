"""What of the lock file an installation without the developers' packages needs; for the image's build.

    locked.py wanted EXTRAS | --group NAME    requirements of pyproject.toml, as the lock file pins them
    locked.py pins                            every pin without its hashes, as constraints of a first look
    locked.py select REPORT                   entries of the lock file, with hashes, of what pip's report would install

pip takes hashes for all or for none, and nothing but the lock file knows those of what comes in by dependencies.
Standard library alone; reads both files in the working folder.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> list[str]:
    """The lock file's entries, each with the lines of its hashes."""
    return [entry for entry in re.split(r"\n(?=\S)", lock) if _ENTRY.match(entry)]


def pinned(lock: str) -> dict[str, str]:
    """Version of each package, by normalised name."""
    found = (_ENTRY.match(entry) for entry in entries(lock))
    return {normal(match[1]): match[2] for match in found if match}


def without_hashes(entry: str) -> str:
    """An entry's first line: name, version and marker."""
    return entry.splitlines()[0].rstrip(" \\")


def wanted(project: dict[str, Any], extras: list[str], group: str | None = None) -> list[str]:
    """Requirements of the project with these extras, or those of a dependency group.

    Raises:
        SystemExit: An extra or the group does not exist.
    """
    if group is not None:
        return [entry for entry in _part(project["dependency-groups"], group) if isinstance(entry, str)]
    optional = project["project"]["optional-dependencies"]
    return [*project["project"]["dependencies"], *(entry for extra in extras for entry in _part(optional, extra))]


def _part(parts: dict[str, list[str]], name: str) -> list[str]:
    if name not in parts:
        raise SystemExit(f"pyproject.toml has no {name!r}; there is: {', '.join(parts)}")
    return parts[name]


def selected(lock: str, report: dict[str, Any]) -> list[str]:
    """Entries of what pip's installation report lists.

    Raises:
        SystemExit: Something of it is not in the lock file.
    """
    names = {normal(each["metadata"]["name"]) for each in report["install"]}
    missing = names - pinned(lock).keys()
    if missing:
        raise SystemExit(f"not in the lock file: {', '.join(sorted(missing))}; run `make lock`")
    return [entry for entry in entries(lock) if normal(_ENTRY.match(entry)[1]) in names]  # type: ignore[index]


def main() -> None:
    """Print what is asked for, one entry after the other."""
    what, *rest = sys.argv[1:]
    lock = Path("requirements.lock").read_text(encoding="utf-8")
    if what == "wanted":
        group = rest[1] if rest[0] == "--group" else None
        extras = [] if group else [extra for extra in rest[0].split(",") if extra]
        print(*wanted(tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8")), extras, group), sep="\n")
    elif what == "pins":
        print(*map(without_hashes, entries(lock)), sep="\n")
    else:
        print(*selected(lock, json.loads(Path(rest[0]).read_text(encoding="utf-8"))), sep="\n")


if __name__ == "__main__":
    main()
