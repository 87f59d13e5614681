"""Rules that keep the house: they hold for every file that is committed."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LONGEST_MODULE = 300  # lines
# Put together here, else this file would break its own rule.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("repository", "apache", "org"),
        ("crates", "io"),
        ("npmjs", "(org|com)"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("packages", "confluent", "io"),
    ]
]
MACHINE_PATHS = [rf"(^|[^A-Za-z0-9_.$}})-])/{folder}/" for folder in ("root", "work", "home/[a-z]+", "Users/[A-Za-z]+")]


def git(*arguments: str, folder: Path = ROOT) -> list[str]:
    """Lines that Git prints; no match of a search (exit code 1) is no error."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a Git checkout")
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout.splitlines()


def tracked(*patterns: str) -> list[Path]:
    """Committed files and those about to be; one that is being moved may be missing."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def lines_matching(patterns: list[str]) -> list[str]:
    return git("grep", "--untracked", "-nIE", "|".join(patterns), "--", ".")


def test_no_file_names_the_host_of_a_package_registry() -> None:
    """Plants install from registries of their own."""
    assert lines_matching([host.replace(".", r"\.") for host in REGISTRY_HOSTS]) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_matching(MACHINE_PATHS) == []


@pytest.mark.parametrize(
    "line",
    [
        "--hash=1 # https://files.pythonhosted" + ".org/packages/x",
        "curl https://registry.npmjs" + ".org/x",
        "cd /" + "root/project",
        "path = '/" + "home/ann/project'",
    ],
)
def test_a_line_that_breaks_these_rules_is_found(line: str, tmp_path: Path) -> None:
    """Patterns that match nothing would make the two rules above empty."""
    (tmp_path / "file").write_text(f"first\n{line}\n")
    pattern = "|".join([*(host.replace(".", r"\.") for host in REGISTRY_HOSTS), *MACHINE_PATHS])
    assert git("grep", "--no-index", "-hE", pattern, folder=tmp_path) == [line]


def test_links_between_documents_lead_somewhere() -> None:
    link = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in tracked("*.md")
        for target in link.findall(page.read_text())
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert dead == []


def test_no_module_has_more_than_300_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked("*.py")
        if (count := len(path.read_text().splitlines())) > LONGEST_MODULE
    }
    assert long == {}


def test_documents_call_only_targets_that_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= targets
    command = re.compile(r"(?:^|`|\$ )make ([a-z][a-z0-9 -]*)", re.MULTILINE)
    unknown = {
        f"{page.relative_to(ROOT)}: make {target}"
        for page in tracked("*.md")
        for called in command.findall(page.read_text())
        for target in called.split()
        if target not in targets
    }
    assert unknown == set()


def locked() -> dict[str, Version]:
    lines = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in lines}


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return [Requirement(line) for lines in lists for line in lines if isinstance(line, str)]


def test_the_lock_file_has_a_version_for_all_that_the_project_asks_for() -> None:
    """Run `make lock` after a change of pyproject.toml."""
    pins = locked()
    astray = [
        str(want)
        for want in wanted()
        if (pin := pins.get(canonicalize_name(want.name))) is None or pin not in want.specifier
    ]
    assert astray == []


def test_each_package_in_the_lock_file_is_pinned_by_hash_and_by_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(locked())
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text
    assert "\n--" not in f"\n{text}"
