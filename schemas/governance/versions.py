"""Released versions of the contracts: from a folder, from a Git ref, or from a registry."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from millrace.errors import Misconfigured
from schemas.contracts import AVRO_FOLDER, Schema
from schemas.governance.positions import parse, read
from schemas.registry import RegistrySchemas, reason


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a contract that may have been written with.

    Args:
        label: How people name it, such as `version 2` or `registry version 2`.
        schema: Its schema.
    """

    label: str
    schema: Schema


class Versions(Protocol):
    """Released versions by contract."""

    def names(self) -> set[str]:
        """Contracts that have versions, as far as this source can list them."""
        ...

    def of(self, name: str, subject: str) -> list[Version]:
        """Versions of a contract, oldest first; empty where it is new."""
        ...


class FolderVersions:
    """The files `released/<Name>/<version>.avsc` of a folder of contracts.

    Args:
        folder: Folder of the contracts.
    """

    def __init__(self, folder: Path = AVRO_FOLDER) -> None:
        self._folder = folder / "released"

    def names(self) -> set[str]:
        """See `Versions`."""
        return {path.parent.name for path in self._folder.glob("*/*.avsc")}

    def of(self, name: str, subject: str) -> list[Version]:
        """See `Versions`."""
        del subject
        numbered = {release_number(path): path for path in (self._folder / name).glob("*.avsc")}
        return [Version(f"version {number}", read(numbered[number]).value) for number in sorted(numbered)]


def release_number(path: Path) -> int:
    """Number of a released file.

    Raises:
        Misconfigured: Its name is no number.
    """
    if not path.stem.isdecimal():
        raise Misconfigured(f"{path}:1: a released version is named by its number, such as 2.avsc")
    return int(path.stem)


class GitVersions:
    """The contracts as they stood at a Git ref: the current files and the released ones.

    Args:
        ref: Branch, tag or commit.
        folder: Folder of the contracts in the work tree.

    Raises:
        Misconfigured: There is no Git, no such ref, or the folder is in no repository.
    """

    def __init__(self, ref: str, folder: Path = AVRO_FOLDER) -> None:
        self._ref, self._folder = ref, folder.resolve()
        listed = self._git("ls-tree", "-r", "--name-only", "--end-of-options", ref, ".").splitlines()
        self._files = [Path(name) for name in listed if name.endswith(".avsc")]

    def names(self) -> set[str]:
        """See `Versions`."""
        return {path.stem for path in self._files if len(path.parts) == 1}

    def of(self, name: str, subject: str) -> list[Version]:
        """See `Versions`; the file that was current then is the last."""
        del subject
        released = sorted((path for path in self._released() if path.parent.name == name), key=release_number)
        found = [Version(f"version {path.stem} of {self._ref}", self._schema(path)) for path in released]
        current = Path(f"{name}.avsc")
        return [*found, Version(self._ref, self._schema(current))] if current in self._files else found

    def released_texts(self) -> dict[Path, str]:
        """Released files by path relative to the folder, as they stood at the ref."""
        return {path: self._show(path) for path in self._released()}

    def _released(self) -> Iterable[Path]:
        return [path for path in self._files if path.parts[0] == "released"]

    def _schema(self, path: Path) -> Schema:
        schema: Schema = parse(self._show(path), Path(f"{self._ref}:{path}")).value
        return schema

    def _show(self, path: Path) -> str:
        return self._git("show", "--end-of-options", f"{self._ref}:./{path}")

    def _git(self, *arguments: str) -> str:
        git = shutil.which("git")
        if git is None:
            raise Misconfigured("--against: Git is not installed")
        done = subprocess.run(  # noqa: S603  # arguments are a list and refs stand behind --end-of-options
            [git, *arguments], cwd=self._folder, capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode != 0:
            raise Misconfigured(f"--against {self._ref}: Git says: {done.stderr.strip()}")
        return done.stdout


class RegistryVersions:
    """The versions of each subject in a Confluent-compatible registry.

    Args:
        registry: Connection to it.
    """

    def __init__(self, registry: RegistrySchemas) -> None:
        self._registry = registry

    def names(self) -> set[str]:
        """See `Versions`; a registry knows subjects of others, too, so it lists none."""
        return set()

    def of(self, name: str, subject: str) -> list[Version]:
        """See `Versions`.

        Raises:
            Retriable: The registry does not answer now, or not what was asked.
            Misconfigured: It refuses.
        """
        del name
        return [Version(f"registry version {number}", self.schema(subject, number)) for number in self.numbers(subject)]

    def numbers(self, subject: str) -> list[int]:
        """Numbers of a subject's versions, rising; empty where there is no such subject."""
        status, answer = self._registry.ask("GET", f"/subjects/{quote(subject, safe='')}/versions")
        if status == 404:
            return []
        if status != 200 or not _numbers(answer):
            raise Misconfigured(f"the registry does not list the versions of {subject}: {status} {reason(answer)}")
        return sorted(answer)

    def schema(self, subject: str, number: int) -> Schema:
        """Schema of one version."""
        status, answer = self._registry.ask("GET", f"/subjects/{quote(subject, safe='')}/versions/{number}")
        schema = avro_of(answer) if status == 200 else None
        if schema is None:
            raise Misconfigured(
                f"the registry shows no Avro record for {subject} version {number}: {status} {reason(answer)}"
            )
        return schema


def _numbers(answer: Any) -> bool:
    return isinstance(answer, list) and all(type(each) is int for each in answer)


def avro_of(answer: Any) -> Schema | None:
    """Avro record in a registry's answer; None where it holds none."""
    try:
        schema = json.loads(answer["schema"]) if answer.get("schemaType", "AVRO") == "AVRO" else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return schema if isinstance(schema, dict) and isinstance(schema.get("fields"), list) else None
