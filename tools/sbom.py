"""Bill of materials of the image (CycloneDX 1.6): its Python packages and, on Debian, the packages of the base.

`python tools/sbom.py requirements.lock` in the environment that it shall tell of. Ends with an error where a package is
installed in another version than the lock file names. Standard library alone.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from locked import normal, pinned

_DPKG = Path("/var/lib/dpkg/status")
_OURS = "millrace"


def component(kind: str, name: str, version: str, licence: str | None = None) -> dict[str, object]:
    """A component of a type of package URL: `pypi` or `deb/debian`."""
    reference = f"pkg:{kind}/{name}@{version}"
    entry: dict[str, object] = {"type": "library", "name": name, "version": version, "purl": reference}
    entry["bom-ref"] = reference
    if licence:
        entry["licenses"] = [{"license": {"name": licence}}]
    return entry


def python_packages() -> list[dict[str, object]]:
    """Everything that this environment could import."""
    found = {normal(package.name): package for package in distributions()}
    return [component("pypi", name, package.version, _licence(package)) for name, package in sorted(found.items())]


def _licence(package: Distribution) -> str | None:
    told = package.metadata.get("License-Expression") or package.metadata.get("License") or ""
    return told.splitlines()[0][:120] if told.strip() else None


def debian_packages(status: str) -> list[dict[str, object]]:
    """Packages that dpkg's status file lists as installed."""
    entries = (dict(re.findall(r"^(\S+): (.*)$", entry, flags=re.MULTILINE)) for entry in status.split("\n\n"))
    installed = [entry for entry in entries if entry.get("Status", "").endswith(" installed")]
    return [component("deb/debian", entry["Package"], entry["Version"]) for entry in installed]


def unlocked(packages: list[dict[str, object]], pins: dict[str, str]) -> list[str]:
    """Python packages that are not exactly as locked."""
    return [
        f"{package['name']} {package['version']}"
        for package in packages
        if package["name"] != _OURS and pins.get(str(package["name"])) != package["version"]
    ]


def main() -> None:
    """Print the bill.

    Raises:
        SystemExit: Something is installed that is not locked.
    """
    packages = python_packages()
    strange = unlocked(packages, pinned(Path(sys.argv[1]).read_text(encoding="utf-8")))
    if strange:
        raise SystemExit(f"not as locked: {', '.join(strange)}")
    ours = next(package for package in packages if package["name"] == _OURS)
    base = debian_packages(_DPKG.read_text(encoding="utf-8")) if _DPKG.exists() else []
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**ours, "type": "application"}},
        "components": [package for package in packages if package is not ours] + base,
    }
    json.dump(bill, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
