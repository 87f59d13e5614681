"""Memory of `millrace post` as its own process over a backlog: idle, and at most until everything is booked."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from bench.poster import confirmation
from bench.process import Result
from millrace.ledger import Ledger, queries
from sandbox.erp import SERVICE

#: Seconds without a booking after which something is wrong.
_PATIENCE_S = 120.0


def memory(folder: Path, erp: str, documents: int, command: Sequence[str], parallel: int = 64) -> Result:
    """What a poster holds with an empty ledger, and at most while it books a backlog of so many orders.

    Args:
        folder: Empty folder.
        erp: URL of an ERP that answers at once.
        documents: Confirmations that wait, each of an order of its own.
        command: `millrace`, of this environment or of one without what developers need.
        parallel: Orders worked on at a time.
    """
    idle = _Poster(folder / "idle", erp, command, parallel)
    idle.wait_started()
    resting = idle.mib("VmHWM:")
    idle.end()
    busy = _Poster(folder / "busy", erp, command, parallel, documents)
    began, booked, moved = time.monotonic(), 0, time.monotonic()
    while booked < documents:
        time.sleep(2)
        now = busy.booked()
        if now > booked:
            booked, moved = now, time.monotonic()
        if busy.process.poll() is not None or time.monotonic() - moved > _PATIENCE_S:
            raise SystemExit(f"the poster booked {booked} of {documents}: {busy.log.read_text()[-2000:]}")
    found = {"documents": documents, "parallel": parallel, "idle_rss_mib": resting}
    found["peak_rss_mib"], found["wall_s"] = busy.mib("VmHWM:"), time.monotonic() - began
    found["end_rss_mib"] = busy.mib("VmRSS:")
    busy.end()
    return found


class _Poster:
    def __init__(self, folder: Path, erp: str, command: Sequence[str], parallel: int, documents: int = 0) -> None:
        folder.mkdir()
        self._ledger, self.log = f"sqlite:///{folder / 'ledger.db'}", folder / "post.log"
        with Ledger(self._ledger) as filled:
            filled.put_desired(confirmation(1, f"{1_000_000 + number}") for number in range(documents))
        system = {"name": "sap", "connector": "sap_confirmation", "base_url": erp + SERVICE, "concurrency": parallel}
        config = folder / "post.yaml"
        config.write_text(yaml.safe_dump({"ledger": self._ledger, "systems": [system]}))
        line = [*command, "post", "--config", str(config)]
        env = {**os.environ, "NO_PROXY": "127.0.0.1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(line, cwd=folder, stdout=log, stderr=log, env=env)
        self._reader = Ledger(self._ledger)

    def wait_started(self) -> None:
        """Until it looks for work, and a little longer."""
        until = time.monotonic() + _PATIENCE_S
        while "poster_started" not in self.log.read_text() and time.monotonic() < until:
            time.sleep(0.5)
        time.sleep(5)

    def booked(self) -> int:
        """Postings that are booked."""
        return self._reader.ask(queries.postings_by_status).get("booked", 0)

    def mib(self, name: str) -> float:
        """A figure of the process's status."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

    def end(self) -> None:
        """As an orchestrator does it."""
        self._reader.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
