"""Lines of logs: whose they are, what caused them, never endless, never again and again."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from millrace import telemetry
from millrace.redact import redact

ROOT = Path(__file__).parents[2]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[structlog.stdlib.BoundLogger]:
    monkeypatch.setenv("MILLRACE_LOG_FORMAT", "json")
    monkeypatch.setattr(telemetry, "_about", {})
    telemetry.configure_logging()
    telemetry.speak_as(flow="confirmations", process=1)
    yield structlog.get_logger("test")
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_each_line_names_flow_and_process_and_has_a_correlation_id(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.warning("closed_period", correlation_id="MES-1")
    log.info("flow_started")
    first, second = lines(capsys)
    assert (first["flow"], first["process"], first["correlation_id"]) == ("confirmations", 1, "MES-1")
    assert second["correlation_id"] is None


def test_a_line_says_its_own_flow_where_it_has_one(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("x", flow="another")
    assert lines(capsys)[0]["flow"] == "another"


def test_words_of_another_system_are_cut_after_their_secrets_are_out(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    redact.keep_out("planted-in-a-log")
    log.warning("erp_down", detail="x" * (telemetry.LONGEST - 8) + "planted-in-a-log" + "y" * 10_000)
    text = str(lines(capsys)[0]["detail"])
    assert len(text) == telemetry.LONGEST
    assert "planted" not in text


def test_a_line_that_comes_again_and_again_comes_once_a_minute_and_says_how_often() -> None:
    now = [0.0]
    step = telemetry.once_in_a_while(lambda: now[0])

    def told(second: float, event: str = "ledger_unavailable", **fields: str) -> bool:
        now[0] = second
        try:
            found.append(dict(step(None, "warning", {"event": event, **fields})))
        except structlog.DropEvent:
            return False
        return True

    found: list[dict[str, object]] = []
    assert [told(0), told(1), told(59), told(60)] == [True, False, False, True]
    assert found[-1]["repeated"] == 2
    assert [told(61, system="sap"), told(61, "erp_down"), told(61, "erp_down")] == [True, True, True]


def test_waiting_for_another_system_is_told_in_our_words(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library that repeats the call says nothing of its own."""
    from sinks.patience import patiently

    del log
    answers: Iterator[object] = iter([OSError("down"), OSError("down"), 1])

    def call() -> object:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert patiently(call, (OSError,)) == 1
    assert [line["event"] for line in lines(capsys)] == ["ledger_unavailable"]


def _told() -> set[str]:
    """Names of events in the code."""
    found = set()
    for folder in ("dataflows", "millrace", "operators", "sinks", "sources"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr
                is_log = call in {"info", "warning", "error"} and ast.unparse(node.func).startswith("log.")  # type: ignore[attr-defined]
                if is_log and isinstance(node.args[0], ast.Constant):  # type: ignore[attr-defined]
                    found.add(node.args[0].value)  # type: ignore[attr-defined]
    return found | {f"{system}_unavailable" for system in ("ledger", "broker", "registry", "disk")}


def test_the_page_of_logs_names_every_event_and_no_other() -> None:
    table = (ROOT / "docs" / "logs.md").read_text().partition("## Names")[2].partition("## Secrets")[0]
    named = {
        name for row in table.splitlines()[4:] for name in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")
    }
    assert named == _told()


def test_events_are_names_and_not_sentences() -> None:
    assert [name for name in _told() if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []
