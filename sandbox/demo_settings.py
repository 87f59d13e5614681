"""Settings of the demo's flow and poster, written as the YAML files that an installation would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sandbox.erp import SERVICE
from sandbox.plant_layout import PLANT, ZONE

FLOW = "confirmations"
#: Seconds without data after which a partition follows the wall clock, and between snapshots.
IDLE_S, EPOCH_S = 2.0, 1.0

_FLOW_HEAD = """\
# The confirmations flow of the demo; started as `millrace run confirmations --config {path}`.
# What a counter's lower reading means and where numbers wrap is declared per source, never guessed.
"""
_POSTER_HEAD = """\
# The poster of the demo; started as `millrace post --config {path}`.
# `settle_seconds` is short because this ERP is: a real one needs more than its own limit for one request.
"""


def write_flow(folder: Path, bootstrap: str) -> Path:
    """Write the flow's settings; returns the file."""
    settings: dict[str, Any] = {
        "flow": FLOW,
        "kafka": {"bootstrap": bootstrap},
        "lanes": 2,
        "window": "1h",
        "lateness_s": 120,
        "wait_s": 7200,
        "idle_s": IDLE_S,
        "ahead_s": 1800,
        "shards": 4,
        "ring": 32,
        "work_center_shards": 8,
        "counters": [
            *({"source": name, "policy": {"lower": "reset", "reset_below": 10}} for name in ("MILL-21", "CNC-42")),
            *({"source": name, "policy": {"lower": "rollover", "modulus": 65536}} for name in ("MILL-22", "GRIND-43")),
        ],
        "numbering": [{"source": "MOULD-*", "modulus": 256}],
        "ledger": ledger_url(folder),
        "history": str(folder / "history"),
        "recovery": str(folder / "recovery"),
        "recovery_partitions": 2,
        "epoch_s": EPOCH_S,
    }
    return _write(folder / "flow.yaml", _FLOW_HEAD, settings)


def write_poster(folder: Path, erp: str) -> Path:
    """Write the poster's settings; returns the file."""
    system = {
        "name": "sandbox-erp",
        "connector": "sap_confirmation",
        "base_url": f"{erp}{SERVICE}",
        "options": {"time_unit": "S", "zones": {PLANT: ZONE}},
        "concurrency": 16,
        "answer_timeout": 10,
        "settle_seconds": 0.5,
        "backoff_base": 0.1,
        "backoff_cap": 1.0,
        "breaker_threshold": 5,
        "breaker_cool_off": 0.25,
    }
    return _write(
        folder / "poster.yaml",
        _POSTER_HEAD,
        {"ledger": ledger_url(folder), "systems": [system], "poll_seconds": 0.1, "name": "poster"},
    )


def ledger_url(folder: Path) -> str:
    """Ledger of a demo folder."""
    return f"sqlite:///{folder / 'ledger.db'}"


def _write(path: Path, head: str, settings: dict[str, Any]) -> Path:
    path.write_text(head.format(path=path) + yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path
