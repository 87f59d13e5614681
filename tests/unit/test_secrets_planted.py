"""Secrets are planted wherever one can be configured; afterwards they are in no log, ledger, dead letter or trace.

The other side is hostile: it repeats what it was told in error texts, message ids, document numbers and addresses.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import trustme
import yaml

from dataflows.parts import schema_source
from dataflows.settings import ConfirmationsSettings
from millrace.cli import main
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.redact import redact
from millrace.settings import load
from millrace.telemetry import configure_logging
from tests.conformance.erp_world import document
from tests.conformance.tls_erp import client_files
from tests.unit.hostile_erp import CSRF, ISSUED, SESSION, HostileErp, hostile_erp

ROOT = Path(__file__).parents[2]
PLANTED = {
    name: f"planted-{name.lower()}-{number:x}c3"
    for number, name in enumerate(
        ("ERP_PASSWORD", "ERP_KEY", "CLIENT_SECRET", "KEY_PASSWORD", "SASL", "REGISTRY", "POSTGRES"), 0xA1B2
    )
}
#: What must not be found anywhere: the secrets, as headers carry them, and what the other side gave out.
SOUGHT = {
    *PLANTED.values(),
    *(b64encode(f"mill:{secret}".encode()).decode() for secret in PLANTED.values()),
    ISSUED,
    SESSION,
    CSRF,
}
POSTGRES = f"postgresql+psycopg://mill:{PLANTED['POSTGRES']}@127.0.0.1:1/ledger"

AUTH = {
    "basic": {"kind": "basic", "user": "mill", "password": {"env": "ERP_PASSWORD"}},
    "key": {"kind": "token", "header": "X-API-Key", "scheme": "", "token": {"env": "ERP_KEY"}},
}


@pytest.fixture(scope="module")
def erp() -> Iterator[HostileErp]:
    with hostile_erp() as server:
        yield server


class Mill:
    """Commands of the product in a folder, and everything that they leave behind."""

    def __init__(self, folder: Path, erp: HostileErp, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.erp = erp
        self.output = ""
        self.url = f"sqlite:///{folder / 'ledger.db'}"
        self._capture = capture

    def oauth(self, endpoint: str) -> dict[str, object]:
        client = {"client_id": "mill", "client_secret": {"env": "CLIENT_SECRET"}}
        return {"kind": "oauth2", "token_url": f"{self.erp.url}/{endpoint}", **client}

    def want(self, *orders: str) -> None:
        with Ledger(self.url, who="test") as ledger:
            ledger.put_desired([document(1, order, **{"yield": "5"}) for order in orders])

    def settings(self, name: str, values: object) -> str:
        (self.folder / name).write_text(yaml.safe_dump(values))
        return str(self.folder / name)

    def run(self, *arguments: str, **environment: str) -> str:
        """Run a command to its end in this process; returns what was printed."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"MILLRACE_LOG": "debug", **PLANTED, **environment}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["millrace", *arguments])
            with pytest.raises(SystemExit):
                main()
        printed = "".join(self._capture.readouterr())
        self.output += printed
        return printed

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Run a command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "millrace", *arguments],
            cwd=self.folder,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **PLANTED, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def post(self, path: str, auth: object, **more: object) -> str:
        """`millrace post` against a hostile service, until it gives up."""
        system = {
            "name": "s4", "connector": "sap_confirmation", "base_url": f"{self.erp.url}/{path}", "auth": auth,
            "options": {"read_metadata": False}, "reject_window": 2, "settle_seconds": 0, **more,
        }  # fmt: skip
        return self.run("post", "--config", self.settings("post.yaml", {"ledger": self.url, "systems": [system]}))

    def leftovers(self) -> str:
        """Printed and stored texts alike; files in any encoding."""
        stored = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix not in {".key", ".crt"})
        return self.output + "".join(path.read_bytes().decode("utf-8", "replace") for path in stored)

    def leaked(self) -> list[str]:
        found = self.leftovers()
        return sorted(secret for secret in SOUGHT if secret in found)

    def ask(self) -> str:
        """What a person is shown of the ledger."""
        shown = "".join(self.run("status", "--ledger", self.url, *more) for more in ([], ["--json"]))
        return shown + "".join(self.run("trace", "1000001", "--ledger", self.url, *more) for more in ([], ["--json"]))


@pytest.fixture
def mill(
    tmp_path: Path, erp: HostileErp, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mill]:
    """Nothing is known of secrets at the start, and nothing of the set-up of logs remains."""
    for name, empty in (("_lasting", set()), ("_passing", OrderedDict()), ("_pattern", None)):
        monkeypatch.setattr(redact, name, empty)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    erp.heard.clear()
    erp.issued.clear()
    yield Mill(tmp_path, erp, capsys)
    structlog.reset_defaults()


@pytest.mark.parametrize("way", ["basic", "key", "oauth2"])
@pytest.mark.parametrize("service", ["rejecting", "forbidden", "redirect"])
def test_an_erp_that_repeats_credentials_gets_them_into_nothing_kept(mill: Mill, service: str, way: str) -> None:
    mill.want("1000001", "1000002", "1000003")
    printed = mill.post(service, AUTH.get(way) or mill.oauth("token"))
    assert "millrace: system 's4'" in printed
    shown = mill.ask()
    assert any(secret in told for secret in SOUGHT for told in mill.erp.heard), "nothing secret was sent"
    assert mill.leaked() == []
    if service == "rejecting":
        assert "[redacted]" in shown


def test_redaction_is_what_keeps_them_out(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without it each of the places leaks."""
    monkeypatch.setattr(redact, "active", False)
    mill.want("1000001", "1000002", "1000003")
    printed = mill.post("rejecting", AUTH["basic"])
    encoded = b64encode(f"mill:{PLANTED['ERP_PASSWORD']}".encode()).decode()
    assert {encoded, CSRF, SESSION} <= set(mill.leaked())
    for place in (printed, (mill.folder / "ledger.db").read_bytes().decode("utf-8", "replace"), mill.ask()):
        assert encoded in place


def test_a_token_endpoint_that_repeats_the_client_secret_leaks_nothing(mill: Mill) -> None:
    mill.want("1000001")
    for where in ("header", "body"):
        printed = mill.post("rejecting", {**mill.oauth("refusing-token"), "credentials_in": where})
        assert "invalid_client" in printed
    mill.ask()
    assert mill.leaked() == []


def test_the_password_of_a_clients_key_is_not_shown_when_it_does_not_fit(mill: Mill) -> None:
    mill.want("1000001")
    certificate, key = client_files(trustme.CA(), mill.folder, "mill.test", b"another-password")
    client = {"certificate": str(certificate), "key": str(key), "password": {"env": "KEY_PASSWORD"}}
    printed = mill.post("x", None, base_url="https://127.0.0.1:1/x", client_certificate=client)
    assert "client_certificate of system 's4'" in printed
    assert mill.leaked() == []


def test_a_ledger_that_is_down_is_reported_without_its_password(mill: Mill) -> None:
    settings = {"systems": [{"name": "s4", "connector": "sap_confirmation", "base_url": "https://127.0.0.1:1/x"}]}
    poster = mill.start("post", "--config", mill.settings("post.yaml", settings), MILLRACE_POST_LEDGER=POSTGRES)
    assert poster.stdout is not None
    first = poster.stdout.readline()
    command = Path(f"/proc/{poster.pid}/cmdline").read_text()
    poster.kill()
    rest, _ = poster.communicate()
    mill.output += command + first + rest
    assert "ledger_unavailable" in first
    assert "does not answer" in mill.run("status", MILLRACE_LEDGER=POSTGRES)
    assert mill.leaked() == []


def test_a_password_on_the_command_line_or_in_a_settings_file_is_refused_without_repeating_it(mill: Mill) -> None:
    assert "command line" in mill.run("status", "--ledger", POSTGRES)
    assert "holds a secret" in mill.run("post", "--config", mill.settings("a.yaml", {"ledger": POSTGRES}))
    registry = {"registry": {"url": mill.erp.url, "password": PLANTED["REGISTRY"]}}
    assert "holds a secret" in mill.run("run", "confirmations", "--config", mill.settings("b.yaml", registry))
    for name in ("a.yaml", "b.yaml"):
        (mill.folder / name).unlink()
    assert mill.leaked() == []


def test_a_flow_without_its_broker_shows_no_password(mill: Mill) -> None:
    settings = {
        "kafka": {"bootstrap": "127.0.0.1:1", "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN",
                  "sasl_username": "mill", "start_wait_s": 0.2},
        "recovery": str(mill.folder / "state"),
    }  # fmt: skip
    given = {"MILLRACE_KAFKA__SASL_PASSWORD": PLANTED["SASL"]}
    flow = mill.start("run", "confirmations", "--config", mill.settings("flow.yaml", settings), **given)
    assert flow.stdout is not None
    first = flow.stdout.readline()
    command = Path(f"/proc/{flow.pid}/cmdline").read_text()
    flow.kill()
    rest, _ = flow.communicate()
    mill.output += command + first + rest
    assert "127.0.0.1:1" in first
    assert mill.leaked() == []


def test_a_registry_that_repeats_its_password_gets_it_into_no_log(
    mill: Mill, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = mill.settings("flow.yaml", {"registry": {"url": f"{mill.erp.url}/registry", "user": "mill"}})
    given = {"MILLRACE_REGISTRY__PASSWORD": PLANTED["REGISTRY"]}
    source = schema_source(load(ConfirmationsSettings, Path(settings), given))
    configure_logging()
    with pytest.raises(Misconfigured) as refused:
        source.id_for("machine-cycle-value", {"type": "string"})
    source.close()
    assert b64encode(f"mill:{PLANTED['REGISTRY']}".encode()).decode() in str(refused.value)
    structlog.get_logger("millrace.flow").error("stopped", detail=str(refused.value))
    mill.output += "".join(capsys.readouterr())
    assert "the schema registry refuses" in mill.output
    assert mill.leaked() == []
