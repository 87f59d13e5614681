"""`python -m tests.chaos.full`: exit status 1 if a single piece or row is lost, doubled or out of order."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from sandbox.demo_process import DemoFailed
from tests.chaos.full import evidence, table
from tests.chaos.full.injector import NotRecovered
from tests.chaos.full.options import Options
from tests.chaos.full.poster import OFF
from tests.chaos.full.site import Site
from tests.chaos.full.verdict import FullVerdict, judge
from tests.chaos.full.world import World
from tests.servers import ServersUnavailable
from tests.servers.links import Proxies
from tests.servers.process import ServerFailed
from tests.servers.thread_proxy import ThreadProxy
from tests.servers.toxiproxy import Toxiproxy


def say(line: str) -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)  # noqa: T201 - what this command is for


def main() -> int:
    """Run and judge; the folder is kept where something was wrong."""
    options = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="millrace-chaos-full-"))
    say(f"{options.kills} kills, seed {options.seed}, all files in {folder}")
    try:
        is_exact = _run(folder, options)
    except (DemoFailed, NotRecovered, ServerFailed, ServersUnavailable) as error:
        say(f"{error}\nthe files are kept in {folder}")
        return 1
    if is_exact and not options.keep:
        shutil.rmtree(folder)
    return 0 if is_exact else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.full", description=__doc__)
    parser.add_argument("--kills", type=int, default=110, help="SIGKILLs over all processes")
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault comes about")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--hours", type=float, default=12.0, help="length of the plant's day")
    parser.add_argument("--faults", default="", help="only faults whose name holds one of these words, by comma")
    parser.add_argument("--off", choices=OFF, help="take off a safeguard of the posters; the run has to notice")
    parser.add_argument("--proxy", choices=("toxiproxy", "own"), default="toxiproxy")
    parser.add_argument("--one-erp", action="store_true", help="without Tryton")
    parser.add_argument("--json", type=Path, help="also write the result to this file")
    parser.add_argument("--keep", action="store_true", help="keep the folder in any case")
    return parser


def _run(folder: Path, arguments: argparse.Namespace) -> bool:
    words = tuple(word for word in arguments.faults.split(",") if word)
    options = Options(
        _made(folder / "run"),
        arguments.kills,
        seed=arguments.seed,
        hours=arguments.hours,
        rounds=arguments.rounds,
        faults=words,
        off=arguments.off,
    )
    proxies: Proxies = Toxiproxy(folder) if arguments.proxy == "toxiproxy" else ThreadProxy()
    begun = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(proxies)
        site = stack.enter_context(Site(_made(folder / "servers"), proxies, with_tryton=not arguments.one_erp))
        world = World(options, site, say)
        stack.enter_context(closing(world.ledger))
        world.live()
        verdict = judge(world, options.folder, site.disk.folder)
        result = report(world, verdict, time.monotonic() - begun)
        if arguments.keep or not verdict.exact:
            evidence.keep(world.ledger, site.disk.folder, options.folder)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return verdict.exact


def report(world: World, verdict: FullVerdict, seconds: float) -> dict[str, Any]:
    """Print table and verdict; returns them as plain values."""
    rows = table.rows(world, verdict)
    for line in table.lines(rows):
        say(line)
    compared = verdict.confirmations
    say(
        f"{compared.operations} operations, {compared.booked} ERP documents, {compared.rows} history rows, "
        f"{len(verdict.issues)} materials in the second ERP, {seconds:.0f} s"
    )
    for sentence in verdict.sentences:
        say(sentence)
    faults = sum(row.times for row in rows) - world.fates.done
    last = f"kills={world.kills} faults={faults} lost={_plain(verdict.lost)} doubled={_plain(verdict.doubled)}"
    say(last)
    return {
        "exact": verdict.exact,
        "kills": world.kills,
        "faults": faults,
        "lost": str(verdict.lost),
        "doubled": str(verdict.doubled),
        "seconds": round(seconds, 1),
        "rows": [row.as_json() for row in rows],
        "wrong": list(verdict.sentences),
    }


def _plain(amount: Any) -> str:
    return f"{amount.normalize():f}" if amount else "0"


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
