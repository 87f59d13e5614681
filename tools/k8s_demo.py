"""Makes the settings of flows and poster in `k8s/overlays/demo` from those of `make demo`.

`python -m tools.k8s_demo` writes them, `--check` compares. Addresses and folders are left out: `site.env` has them.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from sandbox import demo_settings
from sandbox.plant import Plant
from sandbox.plant_material import MaterialDay
from tools.generated import write_or_check

FOLDER = Path(__file__).parents[1] / "k8s" / "overlays" / "demo"
ERP = "http://sandbox-erp:8080"
SEED = 1
#: Any day: the limits of stock are shares of what a day uses.
START = datetime(2026, 3, 2, tzinfo=UTC)
#: In `site.env`, or of one machine.
_ELSEWHERE = ("kafka", "ledger", "history", "name")
#: More than on one machine, for a pod may be held up for seconds; far less than the day takes, or stock is judged late.
_FLOW = {"recovery": "/var/lib/millrace/recovery", "publish": True, "idle_s": 10}
_HEAD = "# Made by `python -m tools.k8s_demo` from the settings of `make demo`; a test compares.\n"


def files() -> dict[Path, str]:
    """Content of every file that is made."""
    limits = MaterialDay(Plant(SEED, START), SEED).limits
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {
            "confirmations": _read(demo_settings.write_flow(folder, "any:1")) | _FLOW,
            "goods-movements": _read(demo_settings.write_movements(folder, "any:1")) | _FLOW,
            "replenishment": _read(demo_settings.write_replenishment(folder, "any:1", limits)) | _FLOW,
            "post": _read(demo_settings.write_poster(folder, ERP, materials=True)),
        }
    return {
        FOLDER / f"{name}.yaml": _HEAD + yaml.safe_dump(settings, sort_keys=False) for name, settings in made.items()
    }


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {name: value for name, value in found.items() if name not in _ELSEWHERE}


def main(arguments: Sequence[str]) -> int:
    """Write the settings, or with `--check` compare; 1 where a file is stale."""
    return write_or_check("tools.k8s_demo", files(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
