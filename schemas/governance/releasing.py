"""`millrace contracts release`: the current file becomes a released version that never changes again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from millrace.errors import Misconfigured
from schemas.contracts import load
from schemas.governance.check import check_folder
from schemas.governance.lint import lint_file
from schemas.governance.release_log import Release, releases, write
from schemas.governance.versions import FolderVersions, release_number


def release(name: str, changes: Sequence[str], folder: Path, today: date) -> Release | None:
    """Release the current file of a contract; None where it is the newest released version, word for word.

    A version that only states more (the meaning of a symbol, a retention class) is a version, too: what is not released
    cannot be held against a later change.

    Args:
        name: Contract.
        changes: What changed, a sentence each.
        folder: Folder of the contracts.
        today: Day of the release.

    Raises:
        Misconfigured: There is no such contract, or lint or compatibility refuse it.
    """
    path = folder / f"{name}.avsc"
    if not path.is_file():
        raise Misconfigured(f"{path}: there is no such contract")
    contract, versions = load(path), FolderVersions(folder).of(name, "")
    if versions and versions[-1].schema == contract.schema:
        return None
    _refuse_unfit(path, folder, today)
    number = 1 + max(map(release_number, (folder / "released" / name).glob("*.avsc")), default=0)
    log = releases(name, folder)
    pending = log[number - 1] if len(log) >= number else None
    clarified = pending.clarified if pending else ()
    entry = Release(number, today, contract.owner, (*(pending.changes if pending else ()), *changes), clarified)
    _copy(path, folder / "released" / name / f"{number}.avsc")
    write(name, [*log[: number - 1], entry], folder)
    return entry


def _refuse_unfit(path: Path, folder: Path, today: date) -> None:
    findings = [str(each) for each in lint_file(path)]
    reports = [each for each in check_folder(FolderVersions(folder), folder, today) if each.contract == path.stem]
    refusals = [each.sentence(path.stem) for report in reports for each in report.refusals]
    if findings or refusals:
        raise Misconfigured("\n".join([f"{path.stem} is not released:", *findings, *refusals]))


def _copy(path: Path, target: Path) -> None:
    """A cut-off copy must not count as a version."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".{os.getpid()}.partial")
    draft.write_bytes(path.read_bytes())
    draft.rename(target)
