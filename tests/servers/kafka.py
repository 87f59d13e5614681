"""A real Kafka broker (KRaft, one node) in a folder of its own."""

from __future__ import annotations

import base64
import socket
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers.jars import jars, java
from tests.servers.process import ServerFailed, ServerProcess, free_port

# The short session lets a killed broker register again after 3 s instead of 9.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,LINK:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_SSL,MTLS:SSL
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
auto.create.topics.enable=false
"""


class Kafka:
    """Context manager: a broker on free ports of 127.0.0.1 that keeps port and data over `kill` and `start`.

    Topics are never created by themselves. A start takes 3 to 12 s on two cores, by what else runs there.

    Args:
        folder: Existing folder for configuration, data and `kafka.log`.
        heap: Bound of the Java heap.
        link: Port of a proxy, and the further port that the broker is to listen on behind it. The broker has to
            know, because it tells each client where to go on.

    Raises:
        ServersUnavailable: When Java or Maven is missing.
    """

    def __init__(self, folder: Path, heap: str = "512m", link: tuple[int, int] | None = None) -> None:
        self._folder = folder
        self._link = link
        self._port = free_port()
        self._java = [
            java(),
            f"-Xmx{heap}",
            "-XX:+UseSerialGC",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            f"{jars('kafka')}/*",
        ]
        self._properties = folder / "server.properties"
        command = [*self._java, "kafka.Kafka", str(self._properties)]
        self._server = ServerProcess(command, folder / "kafka.log", self._answers)

    @property
    def bootstrap(self) -> str:
        """Address for `bootstrap.servers`, the same over the broker's whole life."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the broker that runs now."""
        return self._server.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Format the data folder where it is new, start, and wait until the broker answers."""
        if not self._properties.exists():
            self._format()
        self._server.start()

    def stop(self) -> None:
        """Orderly end, as in a rolling update."""
        self._server.stop()

    def kill(self) -> None:
        """SIGKILL; the data folder stays as it is at that moment."""
        self._server.kill()

    def restart(self) -> None:
        """Kill, and start again on the same data and port."""
        self.kill()
        self.start()

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Create a topic and return its name; returns when the broker can be written to.

        Raises:
            confluent_kafka.KafkaException: When the broker refuses, for instance because it exists.
        """
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin.create_topics([topic], request_timeout=30)[name].result()
        return name

    def _guards(self) -> tuple[str, str, list[str]]:
        """What a secured broker adds: listeners, properties, and arguments of the format."""
        return "", "", []

    def _format(self) -> None:
        data = self._folder / "data"
        more_listeners, more_properties, arguments = self._guards()
        listeners = advertised = f"PLAINTEXT://127.0.0.1:{self._port}"
        if self._link is not None:
            proxy, behind = self._link
            listeners += f",LINK://127.0.0.1:{behind}"
            advertised += f",LINK://127.0.0.1:{proxy}"
        listeners, advertised = listeners + more_listeners, advertised + more_listeners
        text = _PROPERTIES.format(listeners=listeners, advertised=advertised, controller=free_port(), data=data)
        self._properties.write_text(text + more_properties)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [
            *self._java,
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster}",  # in one word, since an id may begin with a dash
            "-c",
            str(self._properties),
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self._properties.unlink()
            raise ServerFailed(f"Kafka could not format {data}:\n{done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        try:
            return bool(AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=5).brokers)
        except KafkaException:
            return False
