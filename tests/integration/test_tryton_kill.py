"""A poster killed between any two requests of one posting leaves one record in the real ERP, booked once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from millrace.ledger import Ledger
from tests.integration.tryton_plant import asked, change, confirmed, made, stock, total
from tests.servers import Tryton
from tests.unit.test_erp_kill import POSTER

pytestmark = pytest.mark.server
#: At which answer of the ERP each life ends: while ids are asked for, after creation, then after one more button each.
LIVES = (3, 7, 2, 2, 2, 2)


def test_killed_between_any_two_requests_a_posting_is_booked_once(tmp_path: Path, tryton: Tryton) -> None:
    before = stock(tryton)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.put_desired([confirmed("901", **{"yield": "8", "scrap": "1"})])
    states = []
    for answer in LIVES:
        killed = poster(tmp_path, tryton, MILLRACE_FAILPOINT=f"poster.before_answer@{answer}")
        assert killed.wait(timeout=120) == -9
        states.append([record["state"] for record in productions(tryton)])
    assert states == [[], ["draft"], ["waiting"], ["assigned"], ["running"], ["done"]]
    finish(poster(tmp_path, tryton), ledger)
    assert change(before, stock(tryton)) == total(made(8, scrap=1))
    assert ledger.booked_totals() == {("P1", "901", "0010"): {"yield": 8, "scrap:": 1}}
    ledger.close()


def test_an_erp_killed_and_started_again_is_waited_for(tmp_path: Path, tryton: Tryton) -> None:
    before = stock(tryton)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    orders = [f"91{number}" for number in range(4)]
    ledger.put_desired([*(confirmed(order, **{"yield": "2"}) for order in orders), asked("50", order="stock:kill")])
    running = poster(tmp_path, tryton)
    until(lambda: len(ledger.booked_totals()) > 1, running)
    tryton.kill()
    tryton.start()
    finish(running, ledger)
    assert change(before, stock(tryton)) == total(made(8))
    ledger.close()


def productions(tryton: Tryton) -> list[dict]:
    return tryton.read("production", [["reference", "like", "% 901 0010"]], ["state"])


def poster(folder: Path, tryton: Tryton, **env: str) -> subprocess.Popen[bytes]:
    """A poster in a process of its own, as `millrace post` runs it."""
    system = {
        "name": "erp",
        "connector": "tryton",
        "base_url": tryton.base_url,
        "auth": {"kind": "token", "token": {"env": "TRYTON_KEY"}},
        "options": tryton.context,
        "concurrency": 3,
        "settle_seconds": 0.0,  # so that the number of answers does not depend on time
        "backoff_base": 0.05,
        "backoff_cap": 0.4,
    }
    settings = json.dumps({"ledger": f"sqlite:///{folder}/ledger.db", "systems": [system]})
    keys = {"TRYTON_KEY": tryton.key, "PATH": os.environ["PATH"]}
    return subprocess.Popen([sys.executable, "-c", POSTER, settings], env={**keys, **env})


def finish(running: subprocess.Popen[bytes], ledger: Ledger) -> None:
    """Wait until all is booked, then end the poster in good order."""
    until(lambda: ledger.unfinished() == 0, running)
    running.terminate()
    assert running.wait(timeout=60) == 0


def until(condition, running: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 120
    while not condition():
        assert running.poll() is None, "the poster ended"
        if time.monotonic() > give_up:
            running.kill()
            pytest.fail("waited in vain")
        time.sleep(0.05)
