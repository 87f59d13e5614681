"""Settings of the demo's flows and poster, written as the YAML files that an installation would have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.erp_service import ROOT
from sandbox.plant_components import BY_MATERIAL
from sandbox.plant_layout import PLANT, ZONE
from sandbox.plant_material import Limits

FLOW = "confirmations"
MOVEMENTS, REPLENISHMENT = "goods_movements", "replenishment"
#: Seconds without data after which a partition follows the wall clock, and between snapshots.
IDLE_S, EPOCH_S = 3.0, 1.0
#: Minutes of the plant between two looks at its stock.
JUDGE_MIN = 10

_FLOW_HEAD = """\
# The confirmations flow of the demo; started as `millrace run confirmations --config {path}`.
# What a counter's lower reading means and where numbers wrap is declared per source, never guessed.
"""
_MOVEMENTS_HEAD = """\
# The flow of goods movements of the demo; started as `millrace run goods-movements --config {path}`.
"""
_STOCK_HEAD = """\
# The replenishment flow of the demo; started as `millrace run replenishment --config {path}`.
# s and S are shares of what the simulated day uses; suppliers have four hours to acknowledge.
"""
_POSTER_HEAD = """\
# The poster of the demo; started as `millrace post --config {path}`.
# `settle_seconds` is short because this ERP is: a real one needs more than its own limit for one request.
"""


#: System, connector, service of the sandbox ERP, kind of document.
_SERVICES = (
    ("sandbox-erp", "sap_confirmation", "API_PROD_ORDER_CONFIRMATION_2_SRV", "ProductionConfirmation"),
    ("sandbox-stock", "sap_goods_movement", "API_MATERIAL_DOCUMENT_SRV", "GoodsMovement"),
    ("sandbox-purchasing", "sap_requisition", "API_PURCHASEREQ_PROCESS_SRV", "ReplenishmentRequest"),
)


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


def write_movements(folder: Path, bootstrap: str) -> Path:
    """Write the settings of the flow of goods movements; returns the file."""
    settings = {
        **_common(folder, MOVEMENTS, bootstrap),
        "window": "1h",
        "horizon_h": 48,
        "idle_s": IDLE_S,
        "shards": 2,
        "epoch_s": EPOCH_S,
    }
    return _write(folder / "movements.yaml", _MOVEMENTS_HEAD, settings)


def write_replenishment(folder: Path, bootstrap: str, limits: Mapping[str, Limits]) -> Path:
    """Write the settings of the replenishment flow; `limits` is by component. Returns the file."""
    settings = {
        **_common(folder, REPLENISHMENT, bootstrap),
        "without": ["GoodsMovement", "PostingResult"],
        "judge_s": JUDGE_MIN * 60,
        "keep_h": 24,
        "horizon_h": 48,
        "idle_s": IDLE_S,
        "shards": 1,
        "history": str(folder / "history"),
        "epoch_s": EPOCH_S,
        "rules": [
            {
                "material": material,
                "reorder_point": int(each.reorder_point),
                "order_up_to": int(each.order_up_to),
                "demand_mean": int(each.per_day),
                "supplier": BY_MATERIAL[material].supplier,
                "acknowledge_h": 4,
            }
            for material, each in limits.items()
        ],
    }
    return _write(folder / "replenishment.yaml", _STOCK_HEAD, settings)


def _common(folder: Path, flow: str, bootstrap: str) -> dict[str, Any]:
    return {
        "flow": flow,
        "kafka": {"bootstrap": bootstrap},
        "lanes": 2,
        "lateness_s": 120,
        "wait_s": 7200,
        "ahead_s": 1800,
        "default_zone": ZONE,
        "ledger": ledger_url(folder),
        "recovery": str(folder / f"recovery-{flow}"),
        "recovery_partitions": 2,
    }


def write_poster(folder: Path, erp: str, *, materials: bool = False) -> Path:
    """Write the poster's settings; returns the file.

    Args:
        folder: The demo's folder.
        erp: Base URL of the sandbox ERP.
        materials: It also posts movements and requests, each to its service.
    """
    services = _SERVICES if materials else _SERVICES[:1]
    systems = [_system(name, connector, f"{erp}{ROOT}/{service}") for name, connector, service, _ in services]
    systems[0]["options"] = {"time_unit": "S", "zones": {PLANT: ZONE}}
    settings = {"ledger": ledger_url(folder), "systems": systems, "poll_seconds": 0.1, "name": "poster"}
    if materials:
        settings["routes"] = [{"kind": kind, "system": name} for name, _, _, kind in services]
    return _write(folder / "poster.yaml", _POSTER_HEAD, settings)


def _system(name: str, connector: str, url: str) -> dict[str, Any]:
    return {
        "name": name,
        "connector": connector,
        "base_url": url,
        "concurrency": 16,
        "answer_timeout": 10,
        "settle_seconds": 0.5,
        "backoff_base": 0.1,
        "backoff_cap": 1.0,
        "breaker_threshold": 5,
        "breaker_cool_off": 0.25,
    }


def ledger_url(folder: Path) -> str:
    """Ledger of a demo folder."""
    return f"sqlite:///{folder / 'ledger.db'}"


def _write(path: Path, head: str, settings: dict[str, Any]) -> Path:
    path.write_text(head.format(path=path) + yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path
