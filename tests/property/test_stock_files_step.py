"""What is kept of stock lies in files: after any crash each one is there that the state names."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import pytest

from operators import stock_kept, stock_levels
from operators.stock_kept import KeptRows
from tests.property.test_replenishment_step import SEEDS, SILENT, World, plant, quiet, troubled


class Folder:
    """Files in memory; reading one that is gone is an error."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.written = self.read = 0

    def put(self, data: bytes) -> str:
        """Keep it."""
        self.written += 1
        name = f"f{self.written}"
        self.files[name] = data
        return name

    def get(self, name: str) -> bytes:
        """Read it."""
        self.read += 1
        return self.files[name]

    def drop(self, names: Iterable[str]) -> None:
        """Let go."""
        for name in names:
            del self.files[name]


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk is a file, and chunks are joined after a few instants."""
    monkeypatch.setattr(stock_kept, "FILE_ROWS", 0)
    monkeypatch.setattr(stock_kept, "_MOST_CHUNKS", 4)
    monkeypatch.setattr(stock_levels, "_LEAST_PRUNED", 5)


def named(world: World) -> set[str]:
    """What the durable state names."""
    states = [pickle.loads(state)["stock"] for state in world._stores[1].values()]  # noqa: S301 - our own
    kept = [state[name] for state in states for name in ("moved", "movements")]
    return {chunk["file"] for chunks in kept for chunk in chunks}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_announced_is_the_same_with_files_after_any_crash(seed: int) -> None:
    folder = Folder()
    world = troubled(seed, World(plant(seed), files=folder))
    assert world.told == quiet(seed).told
    assert folder.read
    assert named(world) <= set(folder.files)
    world.silence(*(SILENT[-1] + 60 * n for n in range(1, 4)))
    assert len(named(world)) <= 4
    orphans = set(folder.files) - named(world)
    assert len(orphans) < folder.written / 2, "crashes leave some, which a start removes"


def test_without_crashes_nothing_stays_behind() -> None:
    folder = Folder()
    world = World(plant(0), files=folder)
    while not world.done:
        world.poll(2)
        world.snapshot()
    world.silence(*SILENT)
    assert set(folder.files) == named(world)
    assert folder.written > 2 * len(folder.files)


class DyingInSnapshots(World):
    """Now and then a process dies when a snapshot was made, and before it is written; each life looks for its files."""

    epochs = 0

    def start(self) -> None:
        """As the engine, which finds all files that the state names."""
        super().start()
        folder = self._config.files
        assert isinstance(folder, Folder)
        for name in named(self):
            folder.get(name)

    def snapshot(self) -> None:
        """Every third one is lost."""
        self.epochs += 1
        if self.epochs % 3:
            super().snapshot()
        else:
            for state in self._stock._logics.values():
                state.snapshot()
            self.start()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_snapshot_that_is_never_written_costs_no_file(seed: int) -> None:
    world = troubled(seed, DyingInSnapshots(plant(seed), files=Folder()))
    assert world.told == quiet(seed).told


class DropsAtOnce(KeptRows):
    """Naive: a file leaves when its chunk does."""

    def _leave(self, chunks: Iterable[Any]) -> None:
        assert self._files is not None
        self._files.drop([chunk.file for chunk in chunks if chunk.file is not None])


class DropsWithTheSnapshot(KeptRows):
    """Naive: a snapshot that was made is taken for a durable one."""

    def snapshot(self) -> list[bytes | dict[str, Any]]:
        """And drop what it does not name."""
        saved = super().snapshot()
        assert self._files is not None
        self._files.drop([name for names in self._unnamed for name in names])
        self._unnamed = [], []
        return saved


@pytest.mark.parametrize("kept", [DropsAtOnce, DropsWithTheSnapshot])
def test_a_file_that_leaves_before_the_state_without_it_is_durable_is_missed(
    kept: type[KeptRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(stock_levels, "KeptRows", kept)
    with pytest.raises(KeyError):
        troubled(0, DyingInSnapshots(plant(0), files=Folder()))
