"""A poster killed at each of its fail points leaves nothing lost and nothing doubled, over real HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from millrace.ledger import Ledger
from sandbox.erp import SERVICE
from tests.conformance.erp_world import document

POINTS = ("before_mark", "after_mark", "before_answer", "after_answer", "before_outcome", "after_outcome")
ORDERS = 12
POSTER = """
import asyncio, signal, sys
from sinks.erp.run import run_poster
from sinks.erp.settings import PosterSettings

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_poster(PosterSettings.model_validate_json(sys.argv[1]), stop)

asyncio.run(main())
"""


@pytest.fixture
def erp(tmp_path: Path) -> Iterator[str]:
    """Base URL of a sandbox ERP in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sandbox.erp", "--port", str(port), "--state", str(tmp_path / "erp.db")]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        _until(lambda: _serves(url))
        yield url
    finally:
        process.kill()
        process.wait()


def _serves(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_control/stats", trust_env=False).is_success
    except httpx.ConnectError:
        return False


def _until(condition) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        if time.monotonic() > give_up:
            pytest.fail("waited in vain")
        time.sleep(0.02)


def test_killed_at_every_fail_point_the_poster_loses_and_doubles_nothing(tmp_path: Path, erp: str) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.put_desired(document(1, f"{1000000 + n}", **{"yield": "3"}) for n in range(ORDERS))
    for point in POINTS:
        killed = subprocess.run(
            _command(tmp_path, erp), env={"MILLRACE_FAILPOINT": f"poster.{point}"}, timeout=60, check=False
        )
        assert killed.returncode == -9, point
    httpx.post(f"{erp}/_control/faults", json={"kind": "lose_answer"}, trust_env=False)
    httpx.post(f"{erp}/_control/faults", json={"kind": "half_answer"}, trust_env=False)
    last = subprocess.Popen(_command(tmp_path, erp), env={})
    _until(lambda: last.poll() is not None or ledger.unfinished() == 0)
    last.terminate()
    assert last.wait(timeout=60) == 0, "told to stop, the poster ends in order"

    stats = httpx.get(f"{erp}/_control/stats", trust_env=False).json()
    assert (stats["documents"], stats["doubled_references"]) == (ORDERS, 0)
    assert stats["faults_met"] == {"lose_answer": 1, "half_answer": 1}
    assert ledger.inconsistent() == []
    ledger.close()


def _command(folder: Path, erp: str) -> list[str]:
    system = (
        f'{{"name": "sap", "connector": "sap_confirmation", "base_url": "{erp}{SERVICE}", "concurrency": 1,'
        ' "settle_seconds": 0.3, "backoff_base": 0.05, "backoff_cap": 0.4}'
    )
    settings = f'{{"ledger": "sqlite:///{folder}/ledger.db", "systems": [{system}]}}'
    return [sys.executable, "-c", POSTER, settings]
