"""Runs a flow: recovery store, its layout, signals, engine."""

from __future__ import annotations

import ctypes
import gc
import json
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import structlog
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from millrace import shutdown
from millrace.errors import Misconfigured

log = structlog.get_logger("millrace.run")
LAYOUT = "layout.json"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _KEPT_BYTES = -1, -3, 64 << 20
#: With this set to anything, the engine would serve its internals without a password on every interface.
_OPEN_API = "BYTEWAX_DATAFLOW_API_ENABLED"


def run(
    flow: Dataflow,
    recovery: Path | None,
    *,
    partitions: int = 4,
    layout: Mapping[str, object] | None = None,
    epoch_s: float = 5.0,
    workers: int = 1,
    process: int = 0,
    addresses: Sequence[str] = (),
) -> None:
    """Run until the input ends or SIGTERM drains it.

    Args:
        flow: The flow.
        recovery: Folder of the recovery store, shared by all processes; None keeps no state.
        partitions: Partitions of a new store.
        layout: What the state is laid out for.
        epoch_s: Seconds between snapshots.
        workers: Worker threads of this process.
        process: Number of this process.
        addresses: host:port of every process of the cluster; empty for a single process.

    Raises:
        Misconfigured: The store was made for another layout.
    """
    os.environ.pop(_OPEN_API, None)
    shutdown.install()
    tune()
    config = None
    if recovery is not None:
        _prepare(recovery, partitions, dict(layout or {}), process)
        config = RecoveryConfig(str(recovery))
    log.info("flow_started", flow=flow.flow_id, process=process, processes=len(addresses) or 1)
    cli_main(
        flow,
        workers_per_process=workers,
        process_id=process if addresses else None,
        addresses=list(addresses) or None,
        epoch_interval=timedelta(seconds=epoch_s),
        recovery_config=config,
    )


def tune() -> None:
    """Spare what costs time for every batch.

    Ten thousand message objects a poll set off the cycle collector again and again, though nothing here is cyclic;
    and by default the C library gives a batch's buffers back to the system to ask for them anew at once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)


def _prepare(recovery: Path, partitions: int, layout: dict[str, object], process: int) -> None:
    """Make the store once; refuse one that was made for another layout."""
    described = recovery / LAYOUT
    if described.exists():
        known = json.loads(described.read_text(encoding="utf-8"))
        changed = [name for name in layout if known.get(name) != layout[name]]
        if changed:
            was = ", ".join(f"{name} was {known.get(name)!r}, is {layout[name]!r}" for name in changed)
            raise Misconfigured(
                f"{recovery}: its state is laid out differently ({was}); keep these settings, or start a new flow "
                "name with an empty recovery folder after the old one is drained"
            )
        return
    if process != 0:
        raise Misconfigured(f"{recovery}: start process 0 first, it makes the recovery store")
    recovery.mkdir(parents=True, exist_ok=True)
    if not list(recovery.glob("part-*.sqlite3")):
        init_db_dir(recovery, partitions)
    partial = described.with_suffix(".partial")
    partial.write_text(json.dumps(layout, indent=2) + "\n", encoding="utf-8")
    partial.rename(described)
