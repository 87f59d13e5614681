"""A watched plant whose history lies on an object store behind a link that can be cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sandbox.demo_process import Child
from tests.monitoring.plant import WatchedPlant
from tests.servers.object_stores import moto


class PlantOnStore(WatchedPlant):
    """A plant with a megabyte of spool before its store."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        (folder / "store").mkdir()
        self._store = moto(folder / "store")
        self._store.__enter__()
        place = {
            "history": f"{self._store.bucket()}/history",
            "history_spool": str(folder / "spool"),
            "history_spool_mb": 1,
        }
        super().__init__(folder, **{**settings, "flow": {**settings.get("flow", {}), **place}})

    def child(self, name: str, *arguments: str, **env: str) -> Child:
        """Processes know the way to the store."""
        return super().child(name, *arguments, **{**self._store.environment, **env})

    def cut_store(self) -> None:
        """Nobody reaches the store."""
        self._store.link.cut()

    def heal_store(self) -> None:
        """It is there again, with what it had."""
        self._store.link.heal()

    def close(self) -> None:
        """The store too."""
        super().close()
        self._store.__exit__()
