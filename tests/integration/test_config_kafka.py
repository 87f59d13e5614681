"""`millrace config check --online` against a real broker and a real registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from dataflows.config_online import topics_of
from dataflows.settings import ConfirmationsSettings
from millrace.cli.app import app
from tests.servers import Kafka, Registry
from tests.servers.process import free_port

pytestmark = pytest.mark.server


def asked(folder: Path, **settings: Any) -> tuple[int, dict[str, str]]:
    """Exit code, and by what was asked the answer where it is no good one."""
    path = folder / "flow.yaml"
    path.write_text(yaml.safe_dump({"flow": "confirmations", "ledger": f"sqlite:///{folder}/ledger.db", **settings}))
    done = CliRunner().invoke(app, ["config", "check", str(path), "--online", "--json"])
    reached = json.loads(done.stdout)["reached"]
    assert reached
    return done.exit_code, {each["what"]: each["detail"] for each in reached if not each["holds"]}


def test_what_is_there_is_told_from_what_is_not(kafka: Kafka, registry: Registry, tmp_path: Path) -> None:
    topics = {name: f"online.{name}" for name in ("MachineCycle", "MachineState", "OperationReport", "WorkOrder")}
    topics |= {"Material": "online.Material", "ShiftCalendar": "online.ShiftCalendar"}
    assert set(topics_of(ConfirmationsSettings(topics=topics))) == set(topics.values())
    for topic in topics.values():
        kafka.create_topic(topic, 1)
    there: dict[str, Any] = {
        "kafka": {"bootstrap": kafka.bootstrap},
        "registry": {"url": registry.url},
        "topics": topics,
    }
    assert asked(tmp_path, **there) == (0, {})

    status, wrong = asked(tmp_path, **{**there, "topics": {**topics, "Material": "online.materials"}})
    assert (status, list(wrong)) == (1, ["topic online.materials"])
    assert "online.materials does not exist" in wrong["topic online.materials"]

    status, wrong = asked(tmp_path, **{**there, "registry": {"url": f"http://127.0.0.1:{free_port()}"}})
    assert (status, list(wrong)) == (1, ["registry"])

    status, wrong = asked(tmp_path, **{**there, "kafka": {"bootstrap": f"127.0.0.1:{free_port()}"}})
    assert (status, list(wrong)) == (1, ["broker"]), "topics of a broker that does not answer are not asked for"
