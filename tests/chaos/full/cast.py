"""The processes of a run: flow, posters, sandbox ERP and the small flow of movements, each with many lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from sandbox.demo_process import Child
from sandbox.demo_watch import Erp
from tests.chaos import fates
from tests.chaos.fates import Fates
from tests.chaos.full.options import Options
from tests.chaos.full.plan import clock_file, pause_file
from tests.chaos.full.site import Site
from tests.chaos.full.watch import Stopwatch
from tests.chaos.lives import Cluster, Life, Single


class Cast:
    """Everybody who can die.

    Args:
        options: What is run.
        site: The servers.
        share: How much of the day is over.
        rng: Chooses.
    """

    def __init__(self, options: Options, site: Site, share: Callable[[], float], rng: Random) -> None:
        self._options = options
        self._logs = options.folder / "logs"
        self._logs.mkdir()
        self.fates = Fates(0, rng)
        self.erp_client = Erp(f"http://127.0.0.1:{site.erp_port}")
        self.movements_file = options.folder / "movements.jsonl"
        layout = site.disk.folder / "recovery" / "layout.json"
        self.flow = Cluster(self._flow_life, layout, options.sizes, share, rng)
        self.posters = [self._poster(number) for number in range(options.posters)]
        erp = ["-m", "sandbox.erp", "--port", str(site.erp_port), "--state", str(options.folder / "erp.db")]
        self.erp = Single(self._life("erp", erp, fates.ERP), self._wait_for_erp)
        told = ["--ledger", site.ledger_over(site.to_ledger), "--events", str(self.movements_file)]
        movements = ["-m", "tests.chaos.full.movements", *told]
        self.movements = Single(self._life("movements", movements, fates.MOVEMENTS))
        self.stopwatches = list(self._stopwatches())

    def start(self, release: Callable[[], None]) -> None:
        """Start all; `release` is called once the sandbox ERP answers."""
        self.movements_file.touch()
        self.erp.start()
        release()
        for actor in self._ours:
            actor.start()

    def tick(self) -> None:
        """Start again who has died."""
        for actor in (*self._ours, self.erp):
            actor.tick()
        for stopwatch in self.stopwatches:
            stopwatch.tick()

    def drain(self) -> None:
        """SIGTERM to all but the ERP; each must end with exit status 0."""
        for actor in self._ours:
            actor.drain()

    def clear(self) -> None:
        """No process is left."""
        for actor in (*self._ours, self.erp):
            actor.kill()
        self.erp_client.close()

    @property
    def _ours(self) -> Sequence[Cluster | Single]:
        return (self.flow, self.movements, *self.posters)

    def deaths(self, kind: str) -> int:
        """Deaths so far of all processes of a kind."""
        return sum(count for name, count in self.fates.by_process.items() if _kind(name) == kind)

    def _flow_life(self, number: int) -> Life:
        command = ["-m", "millrace", "run", "confirmations", "--config", self._path("flow.yaml")]
        return self._life(f"flow-{number}", command, fates.FLOW)

    def _poster(self, number: int) -> Single:
        folder, off = self._options.folder, self._options.off
        files = {
            "--config": folder / f"poster-{number}.yaml",
            "--clock": clock_file(folder, number),
            "--pause": pause_file(folder, number),
        }
        arguments = [text for name, file in files.items() for text in (name, str(file))]
        command = ["-m", "tests.chaos.full.poster", *arguments, *(["--off", off] if off else [])]
        return Single(self._life(f"poster-{number}", command, fates.POSTER))

    def _life(self, name: str, command: Sequence[str], dying: fates.Dying) -> Life:
        is_mortal = _kind(name) in self._options.mortals
        return Life(name, command, self._logs, self.fates if is_mortal else Fates(0, Random(0)), dying)

    def _wait_for_erp(self, child: Child) -> None:
        child.wait_for(self.erp_client.ready, "did not answer")

    def _stopwatches(self) -> Iterator[Stopwatch]:
        yield Stopwatch("flow", lambda: self.deaths("flow"), lambda: self.flow.awake)
        singles = {f"poster-{number}": poster for number, poster in enumerate(self.posters)}
        for name, actor in {"erp": self.erp, "movements": self.movements, **singles}.items():
            yield _stopwatch(name, self.fates, actor)

    def _path(self, name: str) -> str:
        return str(self._options.folder / name)


def _stopwatch(name: str, dealt: Fates, actor: Single) -> Stopwatch:
    return Stopwatch(_kind(name), lambda: dealt.by_process[name], lambda: actor.awake)


def _kind(name: str) -> str:
    """`flow` for `flow-1`."""
    return name.partition("-")[0]
