"""The crash test of the whole installation in a few minutes' worth of faults."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.full.options import Options
from tests.chaos.full.site import Site
from tests.chaos.full.table import lines, rows
from tests.chaos.full.verdict import judge
from tests.chaos.full.world import World
from tests.servers.thread_proxy import ThreadProxy

pytestmark = [pytest.mark.chaos, pytest.mark.server, pytest.mark.timeout(600)]
KILLS = 10
#: One of each kind; `make chaos-full` has all, on all links.
FAULTS = (
    *("flow to ledger: cut", "posters to ledger: silent", "posters to Tryton: cut"),
    *("PostgreSQL killed", "ERPs away", "disk of the flow", "clock of a poster", "before_answer"),
)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def test_over_kills_and_faults_of_every_kind_plan_ledger_erps_and_history_agree(tmp_path: Path) -> None:
    for name in ("run", "servers"):
        (tmp_path / name).mkdir()
    options = Options(tmp_path / "run", KILLS, seed=11, hours=3.0, movements=18, sizes=(1,), posters=2, faults=FAULTS)
    with ThreadProxy() as proxies, Site(tmp_path / "servers", proxies) as site:
        world = World(options, site, say)
        with closing(world.ledger):
            world.live()
            verdict = judge(world, options.folder, site.disk.folder)
            for line in lines(rows(world, verdict)):
                say(line)
    assert verdict.exact, [verdict.lost, verdict.doubled, *verdict.sentences]
    assert world.kills == KILLS
    assert len(world.injector.incidents) == world.injector.planned >= len(FAULTS) - 1
    assert all(issue.erp == issue.truth > 0 for issue in verdict.issues)
