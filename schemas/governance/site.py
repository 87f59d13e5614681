"""`millrace contracts docs`: the static site about the contracts, generated from their files alone."""

from __future__ import annotations

from pathlib import Path

from schemas.contracts import AVRO_FOLDER, load
from schemas.governance.release_log import releases
from schemas.governance.site_page import contract_page, index_page
from schemas.governance.versions import FolderVersions

#: Where the repository keeps it; a fresh copy is part of the test command.
TARGET = Path(__file__).parents[2] / "docs" / "contracts-site"


def pages(folder: Path = AVRO_FOLDER) -> dict[str, str]:
    """Text of each file of the site by its name.

    Raises:
        Misconfigured: A contract or release log cannot be read.
    """
    contracts = [load(path) for path in sorted(folder.glob("*.avsc"))]
    versions = FolderVersions(folder)
    site = {"index.html": index_page(contracts), "style.css": _style()}
    for each in contracts:
        released = [version.schema for version in versions.of(each.name, each.subject)]
        site[f"{each.name}.html"] = contract_page(each, released, releases(each.name, folder))
    return site


def write(target: Path = TARGET, folder: Path = AVRO_FOLDER) -> int:
    """Write the site and remove pages of contracts that are gone; returns the number of files."""
    site = pages(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in _stray(target, site):
        (target / name).unlink()
    for name, text in site.items():
        (target / name).write_text(text, encoding="utf-8")
    return len(site)


def stale(target: Path = TARGET, folder: Path = AVRO_FOLDER) -> list[str]:
    """Names of the files that differ from what would be written, are missing, or should not be there."""
    site = pages(folder)
    return sorted([name for name, text in site.items() if _text(target / name) != text] + _stray(target, site))


def _stray(target: Path, site: dict[str, str]) -> list[str]:
    return [path.name for path in target.glob("*.html") if path.name not in site]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _style() -> str:
    return (Path(__file__).parent / "site.css").read_text(encoding="utf-8")
