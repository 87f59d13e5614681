"""What a run consists of, and the settings that its processes are started with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox import demo_settings
from tests.chaos.full.site import Site
from tests.chaos.world import FLOW_SETTINGS
from tests.servers.links import Link
from tests.servers.tryton import Tryton

#: Short, so that a paused poster is past its lease soon; a lease has to outlast an answer of the slower ERP.
LEASE_S, ANSWER_S = 12.0, 6.0
SANDBOX, TRYTON = "sandbox-erp", "tryton"


@dataclass(frozen=True, slots=True)
class Options:
    """What is run.

    Args:
        folder: Empty folder for everything that is made.
        kills: SIGKILLs in all, over all processes.
        seed: Of the day and of all choices; how the processes race is not repeatable.
        hours: Length of the plant's day.
        movements: Material issues of the day.
        sizes: Processes of the flow, one number after the other.
        posters: Replicas.
        rounds: How often each fault comes about.
        faults: Words, of which a fault's name has to hold one; all where none is named.
        mortals: Who dies.
        erp_faults: Faults ordered at the sandbox ERP; all where none is named, none with "none".
        off: Safeguard that the posters do without.
    """

    folder: Path
    kills: int
    seed: int = 1
    hours: float = 12.0
    movements: int = 150
    sizes: Sequence[int] = (2, 1, 2)
    posters: int = 3
    rounds: int = 1
    faults: Sequence[str] = ()
    mortals: Sequence[str] = ("flow", "poster", "erp", "movements")
    erp_faults: Sequence[str] = ()
    off: str | None = None


def write_flow(folder: Path, data: Path, bootstrap: str, ledger: str) -> Path:
    """Settings of the flow, with history and recovery store on a disk of their own."""
    path = demo_settings.write_flow(folder, bootstrap)
    changes = {"ledger": ledger, "history": str(data / "history"), "recovery": str(data / "recovery")}
    return _change(path, path, {**FLOW_SETTINGS, **changes})


def write_posters(folder: Path, count: int, site: Site) -> None:
    """Settings of each poster: confirmations go to one ERP, goods movements to the other."""
    base = demo_settings.write_poster(folder, f"http://127.0.0.1:{site.to_sandbox.port}")
    sandbox = {**yaml.safe_load(base.read_text())["systems"][0], "answer_timeout": ANSWER_S}
    changes: dict[str, Any] = {"ledger": site.ledger_over(site.posters_to_ledger), "lease_seconds": LEASE_S}
    changes["systems"] = [sandbox]
    if site.tryton is not None and site.to_tryton is not None:
        changes["systems"] = [sandbox, _tryton(folder, sandbox, site.tryton, site.to_tryton)]
        changes["routes"] = [{"kind": "GoodsMovement", "system": TRYTON}, {"system": SANDBOX}]
    for number in range(count):
        _change(base, folder / f"poster-{number}.yaml", {**changes, "name": f"poster-{number}"})


def _tryton(folder: Path, sandbox: dict[str, Any], erp: Tryton, link: Link) -> dict[str, Any]:
    """The same patience as towards the sandbox, but this ERP may be busy with a request for longer."""
    key = folder / "tryton.key"
    key.write_text(erp.key)
    key.chmod(0o600)
    return {
        **sandbox,
        "name": TRYTON,
        "connector": "tryton",
        "base_url": erp.base_url.replace(f":{erp.port}/", f":{link.port}/"),
        "auth": {"kind": "token", "token": {"file": str(key)}},
        "options": erp.context,
        "concurrency": 4,
        "settle_seconds": ANSWER_S,
    }


def _change(source: Path, target: Path, changes: dict[str, Any]) -> Path:
    settings = {**yaml.safe_load(source.read_text()), **changes}
    target.write_text(yaml.safe_dump(settings, sort_keys=False))
    return target
