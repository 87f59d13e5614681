"""A registry behind TLS of a private authority and basic authentication: who is let in, and who is told why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import trustme
from typer.testing import CliRunner

from dataflows.parts import registry_or_folder
from dataflows.settings import ConfirmationsSettings
from millrace.cli.app import app
from millrace.errors import Misconfigured, Retriable
from millrace.redact import redact
from millrace.settings import load
from schemas.batch import RawBatch
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import RegistrySchemas
from schemas.samples import sample
from tests.servers import Registry
from tests.servers.guarded_registry import GuardedRegistry

pytestmark = pytest.mark.server
PASSWORD = "gate-5Hq8-word"  # noqa: S105 - of this test alone


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def gate(registry: Registry, authority: trustme.CA) -> Iterator[GuardedRegistry]:
    with GuardedRegistry(registry.url, "millrace", PASSWORD, authority) as running:
        yield running


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path


def settings_of(gate: GuardedRegistry, folder: Path, ca: Path, password: str = PASSWORD) -> ConfirmationsSettings:
    secret = folder / "password"
    secret.write_text(f"{password}\n")
    config = folder / "flow.yaml"
    config.write_text(f"registry: {{url: '{gate.url}', user: millrace, password_file: '{secret}', ca: '{ca}'}}\n")
    return load(ConfirmationsSettings, config, {})


def probe(value: bytes) -> RawBatch:
    one = np.zeros(1, np.int64)
    return RawBatch("machine-cycle", [value], one.astype(np.int32), one, one)


def test_records_are_written_and_read_through_the_gate(gate: GuardedRegistry, tmp_path: Path, ca: Path) -> None:
    found = contract("MachineCycle")
    with closing(registry_or_folder(settings_of(gate, tmp_path, ca).registry)) as writer:  # type: ignore[type-var]
        values = Codec(found, writer).encode(sample(found, 1))
    with closing(registry_or_folder(settings_of(gate, tmp_path, ca).registry)) as reader:  # type: ignore[type-var]
        decoded = Codec(found, reader).decode(probe(values[0]))
    assert (len(decoded.frame), decoded.rejects) == (1, [])
    assert gate.answered
    assert set(gate.answered) == {200}


def test_a_wrong_password_is_wrong_settings_and_never_bad_data(gate: GuardedRegistry, tmp_path: Path, ca: Path) -> None:
    """The gate refuses in HTML of its own; the records it keeps from being read are not refused for it."""
    value = bytes([0, 0, 0, 0, 1]) + b"body"
    schemas = registry_or_folder(settings_of(gate, tmp_path, ca, "gate-wrong-word").registry)
    with closing(schemas) as reader:  # type: ignore[type-var]
        with pytest.raises(Misconfigured, match=r"refuses us \(401\): check its user and password"):
            Codec(contract("MachineCycle"), reader).decode(probe(value))
        with pytest.raises(Misconfigured, match="401"):
            Codec(contract("MachineCycle"), reader).encode([])


def test_the_command_registers_through_the_gate_and_says_so_where_it_may_not(
    gate: GuardedRegistry, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["contracts", "register", "MachineCycle", "--registry", gate.url, "--registry-user", "millrace"]
    command += ["--registry-ca", str(ca), "--timeout", "30"]
    monkeypatch.setenv("MILLRACE_REGISTRY__PASSWORD", PASSWORD)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, (done.output, done.exception)
    monkeypatch.setenv("MILLRACE_REGISTRY__PASSWORD", "gate-wrong-word")
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, Misconfigured), refused.exception
    assert "401" in str(refused.exception)
    assert "gate-wrong-word" not in str(refused.exception) + refused.output


def test_a_registry_of_a_strange_authority_is_an_outage_and_gets_no_password(
    gate: GuardedRegistry, tmp_path: Path
) -> None:
    """A certificate may be renewed, so it is waited for, as at an ERP; nothing was answered, so nothing was asked."""
    path = tmp_path / "strange.pem"
    trustme.CA().cert_pem.write_to_path(path)
    before = len(gate.answered)
    reader = RegistrySchemas(gate.url, auth=("millrace", PASSWORD), ca=path)
    with closing(reader), pytest.raises(Retriable, match="CERTIFICATE_VERIFY_FAILED"):
        reader.schema(1)
    assert len(gate.answered) == before


def test_the_password_of_a_file_is_kept_out_of_what_is_written(gate: GuardedRegistry, tmp_path: Path, ca: Path) -> None:
    settings = settings_of(gate, tmp_path, ca, "gate-planted-word")
    assert settings.registry is not None
    assert settings.registry.auth() == ("millrace", "gate-planted-word")
    assert "gate-planted-word" not in redact("the gate says: gate-planted-word is wrong") + repr(settings)


@pytest.mark.parametrize(
    ("registry_settings", "told"),
    [
        ("{url: 'https://r', user: u, password_file: no-such-file}", None),
        ("{url: 'https://r', ca: flow.yaml}", "registry ca flow.yaml: No such file"),
        ("{url: 'https://r', password_file: x}", "a password without user"),
        ("{url: 'https://r', user: u, password: secret-word}", "holds a secret"),
    ],
)
def test_settings_of_a_password_that_cannot_be_are_refused(
    tmp_path: Path, registry_settings: str, told: str | None
) -> None:
    config = tmp_path / "flow.yaml"
    config.write_text(f"registry: {registry_settings}\n")
    with pytest.raises(Misconfigured, match=told or "no-such-file cannot be read"):
        registry_or_folder(load(ConfirmationsSettings, config, {}).registry)
