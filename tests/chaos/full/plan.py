"""Which faults come about, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.chaos.full import faults
from tests.chaos.full.faults import Fault, Plant
from tests.chaos.full.options import LEASE_S, Options
from tests.chaos.full.site import Site
from tests.chaos.lives import Cluster, Single

OUTAGE_S = 15 * 60
HOUR_S = 3600
#: Where a poster is paused: nothing sent yet, sent and not answered, answered and not written.
POINTS = ("poster.after_mark", "poster.before_answer", "poster.before_outcome")


def plan(
    options: Options,
    site: Site,
    flow: Cluster,
    posters: Sequence[Single],
    plant: Plant,
    rng: Random,
) -> list[Fault]:
    """All faults of a run, `rounds` of each, in an order that the seed chooses."""
    early = [_pause(options.folder, posters, point, number) for number, point in enumerate(POINTS)]
    early.append(faults.outage(site.to_erps, plant, OUTAGE_S))
    once = [
        *(fault for link in site.links for fault in faults.link_faults(link)),
        *_server_faults(site),
        *(faults.clock_back(clock_file(options.folder, number), HOUR_S) for number in range(1, len(posters))),
    ]
    if site.disk.can_be_filled:
        once.append(faults.disk_full(site.disk, flow))
    chosen = [fault for fault in once if _is_wanted(fault, options)] * options.rounds
    rng.shuffle(chosen)
    # A pause needs somebody who posts, an outage a plant that goes on: both may be over towards the end.
    for fault in [fault for fault in early if _is_wanted(fault, options)] * options.rounds:
        chosen.insert(rng.randint(0, len(chosen) // 2), fault)
    return chosen


def clock_file(folder: Path, poster: int) -> Path:
    """Tells a poster by how much its clock is off."""
    return folder / f"clock-{poster}"


def pause_file(folder: Path, poster: int) -> Path:
    """Tells a poster where to stop."""
    return folder / f"pause-{poster}"


def _pause(folder: Path, posters: Sequence[Single], point: str, number: int) -> Fault:
    poster = number % len(posters)
    return faults.paused(posters[poster], pause_file(folder, poster), point, 1.25 * LEASE_S)


def _server_faults(site: Site) -> list[Fault]:
    keepers = site.keepers.values()
    return [
        *(faults.killed(keeper) for keeper in keepers),
        *(faults.restarted(site.keepers[name]) for name in ("broker", "PostgreSQL")),
        faults.backend_killed(site.postgres),
    ]


def _is_wanted(fault: Fault, options: Options) -> bool:
    return not options.faults or any(word in fault.name for word in options.faults)
