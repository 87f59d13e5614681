"""A server as a child process that never outlives the process that started it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class ServerFailed(RuntimeError):
    """A server ended or did not answer in time; the message carries the end of its log."""


def free_port() -> int:
    """Port on 127.0.0.1 that nobody listens on.

    Taken from below the range that the kernel gives to outgoing connections, so that a server which is killed
    finds it free again when it is started later.
    """
    for port in random.sample(range(15_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed("no free port between 15000 and 32000")


class ServerProcess:
    """One server: start, stop, kill, start again.

    Where `setpriv` exists (Linux) the kernel kills the server when the *thread* that started it ends, however
    that happens; so start servers on a thread that lives as long as they shall.

    Args:
        command: Program and arguments.
        log: File that its output is appended to.
        answers: Returns True once the server can be used; may raise OSError until then.
        env: Variables to add to the environment.
        ends_by: Signal that asks it to end in good order.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        answers: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        ends_by: signal.Signals = signal.SIGTERM,
    ) -> None:
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        self._command = [*guard, *command]
        self._log = log
        self._answers = answers
        self._env = {**os.environ, **(env or {})}
        self._ends_by = ends_by
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id, for benchmarks that pin the server to a core.

        Raises:
            ServerFailed: When it was never started.
        """
        if self._process is None:
            raise ServerFailed("the server was not started")
        return self._process.pid

    def start(self, seconds: float = 60.0) -> None:
        """Start and wait until it answers.

        Raises:
            ServerFailed: When it ends early or does not answer in time.
        """
        if self.alive:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )
        self._wait_until_it_answers(time.monotonic() + seconds)

    def stop(self, seconds: float = 20.0) -> None:
        """Ask it to end, and kill it when it does not in time."""
        if self._process is None:
            return
        self._signal(self._ends_by)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash of the machine would."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _wait_until_it_answers(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not self.alive:
                raise ServerFailed(f"{self._command[-1]} ended at start:\n{self._log_end()}")
            try:
                if self._answers():
                    return
            except OSError:
                pass  # nobody listens yet
            time.sleep(0.05)
        self.kill()
        raise ServerFailed(f"{self._command[-1]} did not answer in time:\n{self._log_end()}")

    def _log_end(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])
