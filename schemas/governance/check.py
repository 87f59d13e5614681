"""`millrace contracts check`: the current contracts against every version that was ever released.

FULL_TRANSITIVE: each difference to any released version counts, since records of all of them are in the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from millrace.errors import Misconfigured
from schemas.contracts import AVRO_FOLDER, Contract, fingerprint, load
from schemas.governance.compat import differences
from schemas.governance.differences import RULES, Difference
from schemas.governance.impact import impact
from schemas.governance.release_log import releases
from schemas.governance.versions import GitVersions, Version, Versions


@dataclass(frozen=True, slots=True)
class Refusal:
    """A difference that a version may not have.

    Args:
        difference: The difference.
        versions: Labels of the released versions that it is a difference to.
        breaks: Consumers that break.
    """

    difference: Difference
    versions: tuple[str, ...]
    breaks: tuple[str, ...]

    def sentence(self, contract: str) -> str:
        """All of it for a person."""
        where = f"{contract}.{self.difference.field}" if self.difference.field else contract
        breaks = f" Breaks {'; '.join(self.breaks)}." if self.breaks else ""
        return (
            f"{where}: {self.difference} ({', '.join(self.versions)} against the current file).{breaks}"
            f" Instead: {self.difference.instead}."
        )


@dataclass(slots=True)
class Report:
    """What the check of one contract found.

    Args:
        contract: Its name.
        versions: How many released versions it was compared to.
        unreleased: The current schema is none of them.
        refusals: What it may not differ in.
        allowed: What it may, against the newest version.
    """

    contract: str
    versions: int = 0
    unreleased: bool = False
    refusals: list[Refusal] = field(default_factory=list)
    allowed: list[Difference] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """One word for the contract."""
        if self.refusals:
            return "refused"
        if not self.versions:
            return "new"
        return "compatible" if self.unreleased else "documentation" if self.allowed else "unchanged"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "contract": self.contract,
            "verdict": self.verdict,
            "versions": self.versions,
            "refusals": [
                {**each.difference.plain(), "versions": list(each.versions), "breaks": list(each.breaks)}
                for each in self.refusals
            ],
            "allowed": [each.plain() for each in self.allowed],
        }


def check_folder(against: Versions, folder: Path = AVRO_FOLDER, today: date | None = None) -> list[Report]:
    """Reports on all contracts of a folder, and on those that are gone.

    Args:
        against: Where released versions come from.
        folder: Folder of the contracts to check.
        today: Stands in for the day of the check.

    Raises:
        Misconfigured: A file is no contract.
        Retriable: A registry does not answer.
    """
    today = today or date.today()  # end dates are days of the plant's own calendar
    current = {path.stem: load(path) for path in sorted(folder.glob("*.avsc"))}
    reports = [
        check_contract(each, against.of(each.name, each.subject), today, _clarified(each.name, folder))
        for each in current.values()
    ]
    reports += [_gone(name) for name in sorted(against.names() - set(current))]
    if isinstance(against, GitVersions):
        _add_edited(reports, against, folder)
    return reports


def check_contract(
    contract: Contract, versions: Sequence[Version], today: date, clarified: frozenset[str] = frozenset()
) -> Report:
    """Report on one contract.

    Args:
        contract: The current contract.
        versions: All released versions, oldest first.
        today: Day of the check.
        clarified: Fields or symbols of which only the words change.
    """
    report = Report(contract.name, len(versions))
    report.unreleased = all(fingerprint(each.schema) != fingerprint(contract.schema) for each in versions)
    refused: dict[Difference, list[str]] = {}
    for number, version in enumerate(versions, 1):
        for each in _differences(version, contract, today):
            if not each.allowed and not (RULES[each.rule].by_word and each.field in clarified):
                refused.setdefault(each, []).append(version.label)
            elif number == len(versions):
                report.allowed.append(each)
    report.refusals = [
        Refusal(each, tuple(labels), tuple(impact(contract.schema, each.field))) for each, labels in refused.items()
    ]
    return report


def _differences(version: Version, contract: Contract, today: date) -> list[Difference]:
    try:
        return differences(version.schema, contract.schema, today)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise Misconfigured(f"{contract.name}: {version.label} is no schema that can be compared: {error!r}") from error


def _clarified(name: str, folder: Path) -> frozenset[str]:
    """From entries of the release log whose version is still in the making."""
    made = folder / "released" / name
    pending = [each for each in releases(name, folder) if not (made / f"{each.version}.avsc").exists()]
    return frozenset(path for each in pending for path in each.clarified)


def _gone(name: str) -> Report:
    return Report(name, refusals=[Refusal(Difference("contract_removed", ""), ("all versions",), ())])


def _add_edited(reports: list[Report], against: GitVersions, folder: Path) -> None:
    """A released file is a promise to records that exist: it neither changes nor goes."""
    by_name = {each.contract: each for each in reports}
    for path, text in against.released_texts().items():
        now = folder / path
        rule = "released_missing" if not now.is_file() else "released_edited"
        if now.is_file() and now.read_text(encoding="utf-8") == text:
            continue
        report = by_name.setdefault(path.parent.name, Report(path.parent.name))
        if report not in reports:
            reports.append(report)
        report.refusals.append(Refusal(Difference(rule, "", str(path)), (f"version {path.stem}",), ()))
