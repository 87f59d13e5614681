"""A flow of the image with a read-only root, no capability, and a network in which there is a broker and nothing else.

The broker listens on the loopback of the container's own network, which has no other interface.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from sandbox.plant_layout import TOPICS
from tests.image.daemon import Docker
from tests.servers.process import ServerProcess

CONFINED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp:size=64m")  # noqa: S108 - a mount
PORT = 9464
_PATIENCE_S = 120.0
_USER = 10001


class FlowInContainer:
    """Context manager: a holder of the network, the broker with records in it, and the flow.

    Args:
        docker: The daemon.
        image: The image.
        folder: Empty folder.
    """

    def __init__(self, docker: Docker, image: str, folder: Path) -> None:
        self._docker, self._image, self._folder = docker, image, folder
        self._names: list[str] = []

    def __enter__(self) -> Self:
        self._holder = self._run("holder", "--network", "none", "--entrypoint", "sleep", self._image, "infinity")
        self._pid = self._docker("inspect", "-f", "{{.State.Pid}}", self._holder)
        address = self._folder / "broker.address"
        topics = [word for topic in TOPICS.values() for word in ("--topic", topic)]
        broker = [sys.executable, "-m", "sandbox.broker", "--port-file", str(address), *topics]
        self._broker = ServerProcess(self._within(broker), self._folder / "broker.log", address.exists)
        self._broker.start()
        bootstrap = address.read_text()
        send = [sys.executable, "-m", "tests.image.send", bootstrap]
        subprocess.run(self._within(send), check=True, capture_output=True)
        self._begun = time.monotonic()
        self._flow = self._start_flow(bootstrap)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(self._names):
            if error is not None:
                sys.stderr.write(self._docker("logs", name, check=False)[-3000:])
            self._docker("rm", "-f", name, check=False)
        self._broker.kill()

    def _start_flow(self, bootstrap: str) -> str:
        state, config = self._folder / "state", self._folder / "flow.yaml"
        state.mkdir()
        os.chown(state, _USER, _USER)
        self._folder.chmod(0o755)
        settings = {"kafka": {"bootstrap": bootstrap}, "default_zone": "Europe/Berlin", "idle_s": 1, "epoch_s": 0.3}
        places = {"recovery": "/var/lib/millrace/recovery", "history": "/var/lib/millrace/history"}
        config.write_text(yaml.safe_dump({**settings, **places, "ledger": "sqlite:////var/lib/millrace/ledger.db"}))
        mounts = ["-v", f"{state}:/var/lib/millrace", "-v", f"{config}:/etc/millrace/flow.yaml:ro", "--memory", "1g"]
        command = [self._image, "run", "confirmations", "--config", "/etc/millrace/flow.yaml"]
        return self._run("flow", "--network", f"container:{self._holder}", *mounts, *command)

    def _run(self, name: str, *arguments: str) -> str:
        name = f"millrace-check-{name}"
        self._docker("rm", "-f", name, check=False)
        self._docker("run", "-d", "--name", name, *CONFINED, *arguments)
        self._names.append(name)
        return name

    def _within(self, command: list[str]) -> list[str]:
        """A command of this machine in the container's network."""
        return ["nsenter", f"--net=/proc/{self._pid}/ns/net", *command]

    def interfaces(self) -> str:
        """Names of the network's interfaces."""
        return ", ".join(self._inside("cd /sys/class/net && ls").split())

    def seconds_to_first_batch(self) -> tuple[float, float]:
        """From the start of the container to the first records that the flow has read: by the clock, and of CPU."""
        ask = [sys.executable, "-m", "tests.image.ask", str(PORT)]
        done = subprocess.run(self._within(ask), capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
        if done.returncode != 0:
            raise RuntimeError(f"no batch: {done.stderr}{self._docker('logs', self._flow, check=False)}")
        return time.monotonic() - self._begun, float(done.stdout)

    def health(self) -> str:
        """What the image's own probe says, and Docker's state of it."""
        return self._docker("exec", self._flow, "millrace", "health").replace("\n", "; ")

    def drain(self) -> str:
        """Exit status after SIGTERM."""
        self._docker("kill", "--signal", "TERM", self._flow)
        return self._docker("wait", self._flow)

    def kept(self) -> str:
        """Files of the recovery store."""
        return ", ".join(sorted(path.name for path in (self._folder / "state" / "recovery").iterdir()))

    def _inside(self, script: str) -> str:
        return self._docker("exec", self._flow, "sh", "-c", script)
