"""What the image is built from: the Dockerfile's rules, the packages it asks for, and its bill of materials."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def tool(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A tool as the build calls it: beside its neighbours, without the project."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return tool("locked", monkeypatch)


@pytest.fixture
def sbom(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return tool("sbom", monkeypatch)


def lint(file: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "hadolint"
    return subprocess.run([str(program), str(file)], capture_output=True, text=True, check=False)


def test_the_dockerfile_keeps_hadolints_rules() -> None:
    done = lint(ROOT / "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_a_dockerfile_that_ends_as_root_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text((ROOT / "Dockerfile").read_text().replace("USER 10001:10001", "USER root"))
    assert "DL3002" in lint(file).stdout


def test_the_image_gets_no_developers_packages(locked: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = " ".join(locked.wanted(project, ["postgres", "objectstore"]))
    assert "psycopg" in names
    assert "obstore" in names
    assert "pytest" not in names
    with pytest.raises(SystemExit, match="no 'postgress'; there is"):
        locked.wanted(project, ["postgress"])


def test_what_is_installed_is_chosen_from_the_lock_file_with_its_hashes(locked: ModuleType) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    report = {"install": [{"metadata": {"name": "PyYAML"}}, {"metadata": {"name": "polars"}}]}
    chosen = locked.selected(lock, report)
    assert [entry.partition("==")[0] for entry in chosen] == ["polars", "pyyaml"]
    assert all("--hash=sha256:" in entry for entry in chosen)
    with pytest.raises(SystemExit, match="not in the lock file: left-pad"):
        locked.selected(lock, {"install": [{"metadata": {"name": "left_pad"}}]})


def test_a_package_in_another_version_than_locked_is_named(sbom: ModuleType) -> None:
    packages = [sbom.component("pypi", "polars", "2.1.0"), sbom.component("pypi", "millrace", "0.1.0")]
    assert sbom.unlocked(packages, {"polars": "2.1.0"}) == []
    assert sbom.unlocked(packages, {"polars": "2.2.0"}) == ["polars 2.1.0"]


def test_the_bill_names_packages_of_the_base(sbom: ModuleType) -> None:
    status = (
        "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    assert [each["purl"] for each in sbom.debian_packages(status)] == ["pkg:deb/debian/libc6@2.36-9"]
