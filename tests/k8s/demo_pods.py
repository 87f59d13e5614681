"""The pods of `k8s/overlays/demo` as processes of this machine: their commands, variables, files and volumes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.k8s.policy import pod
from tests.k8s.render import Manifest
from tests.k8s.test_manifests import named, variables
from tests.servers.jars import jars, java
from tests.servers.process import ServerProcess, free_port

FLOWS = ("confirmations", "goods-movements", "replenishment")
#: What containers of the image call, as it is called here.
_PROGRAMS = {"python": [sys.executable], "millrace": [sys.executable, "-m", "millrace"]}


class DemoPods:
    """Context manager: nothing runs yet; whatever was started ends with it.

    Names and paths of the cluster are replaced by ports and folders of this machine, and nothing else.

    Args:
        manifests: The rendered overlay.
        folder: Empty folder.
    """

    def __init__(self, manifests: list[Manifest], folder: Path) -> None:
        self._manifests, self._folder = manifests, folder
        kafka, controller, erp = free_port(), free_port(), free_port()
        self._here = {
            "kafka:9092": f"127.0.0.1:{kafka}",
            "PLAINTEXT://:9092": f"PLAINTEXT://127.0.0.1:{kafka}",
            "127.0.0.1:9093": f"127.0.0.1:{controller}",
            "sandbox-erp:8080": f"127.0.0.1:{erp}",
            "/var/lib/kafka/data": str(folder / "kafka"),
            "/var/lib/millrace-ledger": str(folder / "ledger"),
            "/work": str(folder / "work"),
            **{f"/var/lib/flow-{flow}": str(folder / flow) for flow in FLOWS},
        }
        self._erp = str(erp)
        for name in ("ledger", "work", "logs", *FLOWS):
            (folder / name).mkdir()
        self._running: dict[str, ServerProcess] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running.values()):
            process.kill()

    def start_kafka(self) -> None:
        """The broker with the overlay's properties, formatted as its container does it."""
        properties = self._folder / "kafka.properties"
        properties.write_text(self._local(named(self._manifests, "ConfigMap", "kafka")["data"]["kafka.properties"]))
        script = _container(named(self._manifests, "Deployment", "kafka"))["command"][2].split()
        command = [java(), "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars('kafka')}/*"]
        cluster = script[script.index("--cluster-id") + 1]
        format_data = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id", cluster, "--config"]
        subprocess.run([*command, *format_data, str(properties)], check=True, capture_output=True)
        self._start("kafka", [*command, "kafka.Kafka", str(properties)], {})

    def start_erp(self) -> None:
        """The sandbox ERP."""
        container = _container(named(self._manifests, "Deployment", "sandbox-erp"))
        command = [self._erp if word == "8080" else word for word in container["command"]]
        self._start("sandbox-erp", self._command(command, []), {})

    def start_poster(self) -> None:
        """The poster with its settings."""
        container = _container(named(self._manifests, "Deployment", "poster"))
        file = self._config("post.yaml", named(self._manifests, "ConfigMap", "poster")["data"]["post.yaml"], "")
        self._start("poster", self._command(["millrace"], container["args"], file), self._environment(container, ""))

    def start_flow(self, flow: str) -> None:
        """A flow, after its first container as the kubelet does it."""
        found = named(self._manifests, "StatefulSet", f"flow-{flow}")
        first, container = pod(found)["spec"]["initContainers"][0], _container(found)  # type: ignore[index]
        subprocess.run(self._command(first["command"], []), check=True)
        text = named(self._manifests, "ConfigMap", f"flow-{flow}")["data"]["flow.yaml"]
        file = self._config(f"{flow}.yaml", text, flow)
        command = self._command(["millrace"], container["args"], file)
        self._start(flow, command, self._environment(container, flow))

    def kill_flow(self, flow: str) -> None:
        """SIGKILL, and another pod of the StatefulSet."""
        self._running[flow].kill()
        self._running[flow].start()

    def play(self, *, seconds: int, patience: int) -> subprocess.Popen[str]:
        """The Job `plant`, with less patience and a day that is sent faster."""
        container = _container(named(self._manifests, "Job", "plant"))
        words = [word for word in container["args"] if not word.startswith("--seconds")]
        command = self._command(container["command"], [*words, f"--seconds={seconds}", f"--patience={patience}"])
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def log(self, name: str) -> str:
        """What a pod wrote."""
        return (self._folder / "logs" / f"{name}.log").read_text()

    def _start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        log = self._folder / "logs" / f"{name}.log"
        self._running[name] = ServerProcess(command, log, lambda: True, environment)
        self._running[name].start()

    def _command(self, command: Sequence[str], arguments: Sequence[str], file: Path | None = None) -> list[str]:
        words = [*_PROGRAMS[command[0]], *command[1:], *arguments]
        return [str(file) if word.startswith("/etc/millrace/") else self._local(word) for word in words]

    def _config(self, name: str, text: str, flow: str) -> Path:
        file = self._folder / name
        file.write_text(self._local(text, flow))
        return file

    def _environment(self, container: Manifest, flow: str) -> dict[str, str]:
        found = variables(self._manifests, container)
        return {name: self._local(value, flow) for name, value in found.items()}

    def _local(self, text: str, flow: str = "") -> str:
        for there, here in self._here.items():
            text = text.replace(there, here)
        return text.replace("/var/lib/millrace/", f"{self._folder / flow}/") if flow else text


def _container(manifest: Manifest) -> Manifest:
    found: Manifest = pod(manifest)["spec"]["containers"][0]  # type: ignore[index]
    return found
