"""Runs a flow: recovery store, its layout, signals, engine."""

from __future__ import annotations

import ctypes
import gc
import math
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from dataflows.kept_files import forget_unnamed
from dataflows.state import prepare, store_bytes
from dataflows.state_lock import in_use
from dataflows.unfinished_epochs import forget_unfinished
from millrace import shutdown
from millrace.errors import MillraceError
from millrace.health import health
from millrace.metrics.flow import OPEN_WINDOWS, STORE_BYTES
from millrace.metrics.held import held
from millrace.telemetry import speak_as

log = structlog.get_logger("millrace.run")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _KEPT_BYTES = -1, -3, 64 << 20
#: With this set to anything, the engine would serve its internals without a password on every interface.
_OPEN_API = "BYTEWAX_DATAFLOW_API_ENABLED"


def run(
    flow: Dataflow,
    recovery: Path | None,
    *,
    partitions: int = 4,
    layout: Mapping[str, object] | None = None,
    resumes: Collection[int] = (),
    epoch_s: float = 0.0,
    workers: int = 1,
    process: int = 0,
    addresses: Sequence[str] = (),
    stall_after: float = math.inf,
) -> None:
    """Run until the input ends or SIGTERM drains it.

    Args:
        flow: The flow.
        recovery: Folder of the recovery store, shared by all processes; None keeps no state.
        partitions: Partitions of a new store.
        layout: What the state is laid out for.
        resumes: Earlier versions of the steps whose state is read, see `prepare`.
        epoch_s: Seconds between snapshots at least; 0 makes one after each activation of the sources.
        workers: Worker threads of this process.
        process: Number of this process.
        addresses: host:port of every process of the cluster; empty for a single process.
        stall_after: Seconds without a turn of a worker after which it counts as stalled.

    Raises:
        Misconfigured: The store was made for another layout, or a command works on it.
    """
    os.environ.pop(_OPEN_API, None)
    shutdown.install()
    tune()
    with in_use(recovery) if recovery is not None else nullcontext():
        config = None
        if recovery is not None:
            prepare(recovery, partitions, layout or {}, process, resumes)
            if process == 0:  # the others join it before anything is read from the store
                forget_unfinished(recovery)
                forget_unnamed(recovery)
            config = RecoveryConfig(str(recovery))  # type: ignore[no-untyped-call]
        tell_probes(flow.flow_id, recovery, stall_after, alone=len(addresses) < 2 and workers == 1)
        speak_as(flow=flow.flow_id, process=process)
        log.info("flow_started", flow=flow.flow_id, process=process, processes=len(addresses) or 1)
        try:
            cli_main(  # type: ignore[no-untyped-call]
                flow,
                workers_per_process=workers,
                process_id=process if addresses else None,
                addresses=list(addresses) or None,
                epoch_interval=timedelta(seconds=epoch_s),
                recovery_config=config,
            )
        except BytewaxRuntimeError as error:
            # The engine wraps what a step raised; what was raised on purpose says in one sentence what to do.
            cause = own_error(error)
            if cause is None:
                raise
            raise cause from error


def tell_probes(flow: str, recovery: Path | None, stall_after: float, *, alone: bool) -> None:
    """From here on probes and metrics speak of this flow."""
    health.begin(flow, stall_after, alone=alone)
    OPEN_WINDOWS.labels(flow).set_function(held)
    if recovery is not None:
        STORE_BYTES.labels(flow).set_function(partial(store_bytes, recovery))


def own_error(error: BaseException | None) -> MillraceError | None:
    """The error of ours that the engine has wrapped; None where it was none of ours."""
    while error is not None:
        if isinstance(error, MillraceError):
            return error
        error = error.__cause__ or error.__context__
    return None


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
