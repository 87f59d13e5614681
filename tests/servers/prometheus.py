"""A real Prometheus in a folder of its own, and promtool."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.servers.jars import ServersUnavailable
from tests.servers.process import ServerProcess, free_port

_MISSING = "Prometheus is not installed (Debian: apt-get install prometheus); the tests of rules and dashboards need it"


def program(name: str) -> str:
    """Path of `prometheus` or `promtool`.

    Raises:
        ServersUnavailable: It is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise ServersUnavailable(_MISSING)
    return found


def check_rules(tests: Path) -> str:
    """What promtool says of a file of rule tests; "" where all hold."""
    command = [program("promtool"), "test", "rules", tests.name]
    done = subprocess.run(command, cwd=tests.parent, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


class Prometheus:
    """A server that scrapes these jobs and evaluates these rules, both twice a second.

    Args:
        folder: Empty folder.
        jobs: Addresses (host:port) by job.
        rules: File of rules.

    Raises:
        ServersUnavailable: Prometheus is not installed.
    """

    def __init__(self, folder: Path, jobs: Mapping[str, list[str]], rules: Path | None = None) -> None:
        self._url = f"http://127.0.0.1:{free_port()}"
        config = folder / "prometheus.yaml"
        scrapes = [{"job_name": job, "static_configs": [{"targets": to}]} for job, to in jobs.items()]
        common = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
        files = [str(rules)] if rules else []
        config.write_text(yaml.safe_dump({"global": common, "rule_files": files, "scrape_configs": scrapes}))
        command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
        command += [f"--web.listen-address={self._url.removeprefix('http://')}", "--query.lookback-delta=30s"]
        self._server = ServerProcess(command, folder / "prometheus.log", self._answers)
        self._server.start()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self._url}/-/ready", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Series of an instant query, each with `metric` and `value`."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Series over time, each with `metric` and `values`."""
        found: list[dict[str, Any]] = self._get(
            "query_range", query=expression, start=str(start), end=str(end), step=str(step)
        )["result"]
        return found

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer = httpx.get(f"{self._url}/api/v1/{path}", params=query, timeout=10, trust_env=False).json()
        if answer["status"] != "success":
            raise ValueError(f"{query}: {answer.get('error')}")
        found: dict[str, Any] = answer["data"]
        return found

    def close(self) -> None:
        """End it."""
        self._server.kill()
