"""`python -m tests.chaos --kills N [--seed S]`: exit status 1 if a single piece or row is lost or doubled."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from sandbox.demo_process import DemoFailed
from sandbox.plant_layout import TOPICS
from tests.chaos.verdict import explain
from tests.chaos.world import Options, World
from tests.servers import Kafka

PARTITIONS = 8


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)  # noqa: T201 - what this command is for


def main() -> int:
    """Run and judge; the folder is kept where something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--hours", type=float, default=None, help="length of the plant's day")
    parser.add_argument("--keep", action="store_true", help="keep the folder in any case")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="millrace-chaos-"))
    say(f"{arguments.kills} kills, seed {arguments.seed}, all files in {folder}")
    try:
        is_exact = run(folder, arguments.kills, arguments.seed, arguments.hours)
    except DemoFailed as error:
        say(f"{error}\nthe files are kept in {folder}")
        return 1
    if is_exact and not arguments.keep:
        shutil.rmtree(folder)
    return 0 if is_exact else 1


def run(folder: Path, kills: int, seed: int, hours: float | None = None) -> bool:
    """One run on a real broker; prints the verdict and returns whether everything is exact."""
    begun = time.monotonic()
    (folder / "kafka").mkdir()
    (folder / "run").mkdir()
    with Kafka(folder / "kafka") as kafka:
        for topic in TOPICS.values():
            kafka.create_topic(topic, PARTITIONS)
        hours = hours or min(24.0, 4.0 + kills / 5)
        world = World(Options(folder / "run", kafka.bootstrap, kills, seed, hours), say)
        verdict = world.live()
    fates = world.fates
    say("killed at fail points: " + ", ".join(f"{n} {c}" for n, c in sorted(fates.at_points.items())))
    say("killed by process: " + ", ".join(f"{n} {c}" for n, c in sorted(fates.by_process.items())))
    say(
        f"{verdict.operations} operations, {verdict.booked} ERP documents, {verdict.rows} history rows, "
        f"{world.drains} drains, {world.faults} ERP faults, {time.monotonic() - begun:.0f} s"
    )
    for line in (*verdict.others, *explain(folder / "run")):
        say(line)
    say(
        f"kills={fates.done} failpoints={fates.at_points.total()} "
        f"lost={verdict.lost.normalize():f} doubled={verdict.doubled.normalize():f}"
    )
    return verdict.exact


if __name__ == "__main__":
    sys.exit(main())
