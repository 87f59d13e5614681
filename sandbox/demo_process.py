"""Child processes of the demo: each with its log, none outlives the demo, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from millrace.errors import MillraceError
from millrace.guarded import guarded

_SHOWN = 15


class DemoFailed(MillraceError):
    """The demo can't go on; the message names the process and where its log is."""


class Child:
    """One process of the demo; start it on the main thread, which lives as long as the demo.

    Args:
        name: For messages and the log's name.
        arguments: What follows the interpreter.
        folder: Folder of the logs.
        env: Variables to add to the environment; None takes one away.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, env: Mapping[str, str | None] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments, self._env = list(arguments), dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again; its output is appended to the log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own modules
                guarded(self._arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={name: value for name, value in {**os.environ, **self._env}.items() if value is not None},
                start_new_session=True,
            )

    @property
    def exit_status(self) -> int | None:
        """Its exit status; None while it runs or before it was started."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        """Its process id; None before it was started."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as a crash of its machine would."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait()

    def stop(self, seconds: float = 20.0) -> int:
        """Ask it to end by SIGTERM and return its exit status.

        Raises:
            DemoFailed: It was not running, or did not end in time and was killed.
        """
        if self._process is None or not self.running:
            raise self.failed("is not running")
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self.failed(f"did not end within {seconds:.0f} s of SIGTERM") from None

    def expect(self) -> None:
        """Raise DemoFailed where it has ended by itself."""
        if self.exit_status is not None:
            raise self.failed(f"ended with exit status {self.exit_status}")

    def wait_for(self, ready: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        """Wait until it can be used.

        Raises:
            DemoFailed: It ended, or was not ready in time.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.expect()
            if time.monotonic() > deadline:
                raise self.failed(f"{what} within {seconds:.0f} s")
            time.sleep(0.02)

    def failed(self, what: str) -> DemoFailed:
        """An error about this process with the end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        tail = "\n".join(f"    {line[:300]}" for line in lines[-_SHOWN:]) or "    (empty)"
        return DemoFailed(f"{self.name} {what}; its log {self.log} ends with\n{tail}")
