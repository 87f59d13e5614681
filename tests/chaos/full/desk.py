"""A few posters over one ledger and the sandbox ERP, with faults at chosen points: for the negative controls.

What the whole run brings about by chance happens here on purpose, so that each safeguard that is off must show.
"""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from millrace.failpoints import VARIABLE
from millrace.ledger import Ledger
from millrace.ledger.confirmation import KIND
from millrace.ledger.model import DesiredDocument
from sandbox import demo_settings
from sandbox.demo_process import Child
from sandbox.demo_watch import Erp
from sandbox.erp_store import Store
from sandbox.plant_layout import PLANT
from tests.chaos.full.faults import is_stopped
from tests.chaos.full.plan import clock_file, pause_file
from tests.servers.process import free_port

LEASE_S, ANSWER_S = 3.0, 1.5
ORDERS, WINDOWS = 4, 3
OPERATION = "0010"
_PATIENCE_S = 60.0

Totals = dict[str, Decimal]  # yield by order


class Desk:
    """Context manager: a ledger with documents, the sandbox ERP, and posters that are started one by one.

    Args:
        folder: Empty folder.
        ledger: Address of an empty ledger.
        off: Safeguard that the posters do without.
    """

    def __init__(self, folder: Path, ledger: str, off: str | None) -> None:
        self._folder, self._url, self._off = folder, ledger, off
        port = free_port()
        self.erp = Erp(f"http://127.0.0.1:{port}")
        command = ["-m", "sandbox.erp", "--port", str(port), "--state", str(folder / "erp.db")]
        self._erp = Child("erp", command, folder)
        self._posters: list[Child] = []
        self.ledger = Ledger(ledger, who="desk")
        self.truth: Totals = defaultdict(Decimal)

    def __enter__(self) -> Self:
        self._erp.start()
        self._erp.wait_for(self.erp.ready, "did not answer")
        self.ledger.put_desired([self._document(order, window) for order in range(ORDERS) for window in range(WINDOWS)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in (*self._posters, self._erp):
            child.kill()
        self.erp.close()
        self.ledger.close()

    def _document(self, order: int, window: int) -> DesiredDocument:
        order_id, pieces = f"70{order:05}", Decimal(10 * order + window + 1)
        self.truth[order_id] += pieces
        return DesiredDocument(
            key=f"{PLANT}|{order_id}|{window}",
            kind=KIND,
            plant=PLANT,
            order_id=order_id,
            sort_key=str(window),
            tier=1,
            revision=1,
            reference_version=0,
            quantities={"yield": pieces},
            attributes={"operation": OPERATION, "unit": "C62"},
        )

    def poster(self, *, pause: str | None = None, dies: str | None = None) -> Child:
        """Start a poster that stops itself, or dies, at a fail point."""
        number = len(self._posters)
        files = {"--clock": clock_file(self._folder, number), "--pause": pause_file(self._folder, number)}
        files["--config"] = self._settings(number)
        if pause:
            files["--pause"].write_text(pause)
        arguments = [text for name, file in files.items() for text in (name, str(file))]
        off = ["--off", self._off] if self._off else []
        command = ["-m", "tests.chaos.full.poster", *arguments, *off]
        child = Child(f"poster-{number}", command, self._folder, {VARIABLE: dies} if dies else {})
        self._posters.append(child)
        child.start()
        return child

    def _settings(self, number: int) -> Path:
        base = demo_settings.write_poster(self._folder, self.erp.url)
        settings = yaml.safe_load(base.read_text())
        settings["systems"][0]["answer_timeout"] = ANSWER_S
        settings |= {"ledger": self._url, "lease_seconds": LEASE_S, "name": f"poster-{number}"}
        path = self._folder / f"poster-{number}.yaml"
        path.write_text(yaml.safe_dump(settings))
        return path

    def until_booked(self) -> None:
        """Wait until nothing is left to post."""
        _until(lambda: self.ledger.unfinished() == 0, "documents are still unfinished")

    def drain(self) -> None:
        """SIGTERM to all posters that live: what they have in hand is finished and written."""
        for child in self._posters:
            if child.running:
                child.stop()

    def differences(self) -> list[Decimal]:
        """Ledger and ERP less the truth, for each order."""
        in_ledger = {order: sums["yield"] for (_, order, _), sums in self.ledger.booked_totals().items()}
        in_erp = {order: sums["yield"] for (order, _), sums in Store(str(self._folder / "erp.db")).totals().items()}
        return [
            place.get(order, Decimal(0)) - self.truth[order] for place in (in_ledger, in_erp) for order in self.truth
        ]


def until_dead(child: Child) -> None:
    """Wait until a process has died at its fail point."""
    _until(lambda: child.exit_status == -signal.SIGKILL, f"{child.name} lives")


def until_stopped(child: Child) -> None:
    """Wait until a process has stopped itself."""
    _until(lambda: is_stopped(child.pid), f"{child.name} goes on")


def go_on(child: Child) -> None:
    """Continue a stopped process."""
    if child.pid is not None:
        os.kill(child.pid, signal.SIGCONT)


def _until(is_so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {_PATIENCE_S:.0f} s {otherwise}")
        time.sleep(0.05)
