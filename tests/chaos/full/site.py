"""The servers of a run and the links to them: started before anything else, ended last."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from sandbox.plant_layout import TOPICS
from tests.chaos.full.disk import SmallDisk
from tests.chaos.full.keeper import Keeper, Server
from tests.servers import Kafka, Postgres
from tests.servers.links import Link, Proxies
from tests.servers.process import free_port
from tests.servers.tryton import Tryton

PARTITIONS = 8


class Site:
    """Context manager: Kafka, PostgreSQL and Tryton, each behind links of its clients, and a disk that can fill.

    Args:
        folder: Existing folder for what they keep.
        proxies: Makes the links; entered by the caller.
        with_tryton: Off for a run with one ERP.
    """

    def __init__(self, folder: Path, proxies: Proxies, *, with_tryton: bool = True) -> None:
        self._ends = ExitStack()
        for name in ("kafka", "tryton"):
            (folder / name).mkdir()
        self.postgres = Postgres()
        self.tryton = Tryton(folder / "tryton") if with_tryton else None
        self.erp_port, behind = free_port(), free_port()
        self.to_broker = proxies.link("flow to broker", behind)
        self.to_ledger = proxies.link("flow to ledger", self.postgres.port)
        self.posters_to_ledger = proxies.link("posters to ledger", self.postgres.port)
        self.to_sandbox = proxies.link("posters to sandbox ERP", self.erp_port)
        self.to_tryton = proxies.link("posters to Tryton", self.tryton.port) if self.tryton else None
        self.kafka = Kafka(folder / "kafka", link=(self.to_broker.port, behind))
        self.disk = SmallDisk(folder / "disk")
        servers: dict[str, Server | None] = {
            "broker": self.kafka,
            "PostgreSQL": self.postgres,
            "Tryton": self.tryton,
        }
        self.keepers = {name: Keeper(name, server) for name, server in servers.items() if server is not None}

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            ends.callback(self.disk.close)
            ends.callback(self.postgres.remove)
            for keeper in self.keepers.values():
                ends.callback(keeper.close)
                keeper.start()
            for topic in TOPICS.values():
                self.kafka.create_topic(topic, PARTITIONS)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    @property
    def links(self) -> list[Link]:
        """All of them."""
        return [self.to_broker, self.to_ledger, self.posters_to_ledger, *self.to_erps]

    @property
    def to_erps(self) -> list[Link]:
        """Those that postings take."""
        return [self.to_sandbox, *([self.to_tryton] if self.to_tryton else [])]

    @property
    def ledger(self) -> str:
        """Address of the ledger that no link leads to, for whoever only looks."""
        return self.postgres.url

    def ledger_over(self, link: Link) -> str:
        """Address of the ledger over a link."""
        return self.postgres.database("postgres", link.port)
