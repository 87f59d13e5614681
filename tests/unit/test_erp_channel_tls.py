"""TLS towards an ERP, on real connections: verified always, nothing sent before, certificates replaced at any time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme

from millrace.errors import Misconfigured
from sinks.erp import policy
from sinks.erp.channel import Channel
from sinks.erp.connector import Answer, Kind, Request, Verdict
from sinks.erp.settings import SystemSettings
from sinks.erp.trust import Trust
from sinks.erp.wire import BrokenExchange
from tests.conformance.tls_erp import TlsErp, client_files, server_context

POST = Request("POST", "thing", {}, b"{}")


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def settings(ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SystemSettings]:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("ERP_SECRET", "tls-secret-word")

    def make(port: int, host: str = "localhost", **more: Any) -> SystemSettings:
        return SystemSettings(
            **{
                "name": "s4",
                "connector": "x",
                "base_url": f"https://{host}:{port}/api",
                "auth": {"kind": "token", "token": {"env": "ERP_SECRET"}},
                "ca_file": tmp_path / "ca.pem",
                "answer_timeout": 20,
                **more,
            }
        )

    return make


def run(call: Awaitable[None]) -> None:
    async def whole() -> None:
        await call

    asyncio.run(whole())


async def verdict_of(channel: Channel) -> Verdict | Answer:
    try:
        return await channel.exchange(POST, {})
    except (BrokenExchange, TimeoutError, OSError) as error:
        return policy.of_exception(error)


def _other_ca(_: trustme.CA) -> ssl.SSLContext:
    return server_context(trustme.CA(), "localhost")


def _self_signed(_: trustme.CA) -> ssl.SSLContext:
    own = trustme.CA(organization_name="just me")
    return server_context(own, "localhost")


WRONG: dict[str, Callable[[trustme.CA], ssl.SSLContext]] = {
    "self-signed": _self_signed,
    "unknown authority": _other_ca,
    "wrong host": lambda ca: server_context(ca, "other.test"),
    "expired": lambda ca: server_context(ca, "localhost", expired=True),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_certificate_is_an_outage_with_an_alert_and_nothing_is_sent(ca, settings, wrong) -> None:
    """It heals when the certificate is renewed; rejecting documents for it would be wrong, and so would trust."""

    async def meet() -> None:
        async with TlsErp(wrong(ca)).running() as erp, Channel(settings(erp.port)) as channel:
            with structlog.testing.capture_logs() as logs:
                verdicts = [await verdict_of(channel) for _ in range(3)]
            assert [(v.kind, v.reason, v.outage) for v in verdicts] == [(Kind.RETRY, "certificate", True)] * 3
            assert [(line["event"], line["log_level"]) for line in logs] == [("certificate_refused", "error")]
            assert erp.requests == []
            erp.context = server_context(ca, "localhost")
            assert isinstance(await verdict_of(channel), Answer)
            assert b"tls-secret-word" in erp.requests[0]

    run(meet())


@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_nothing_below_tls_1_2_is_spoken(ca, settings, highest: ssl.TLSVersion) -> None:
    async def meet() -> None:
        context = server_context(ca, "localhost")
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = highest
        async with TlsErp(context).running() as erp, Channel(settings(erp.port)) as channel:
            answer = await verdict_of(channel)
            if highest is ssl.TLSVersion.TLSv1_2:
                assert isinstance(answer, Answer)
            else:
                assert isinstance(answer, Verdict)
                assert (answer.kind, erp.requests) == (Kind.RETRY, [])

    run(meet())


def test_no_setting_and_no_variable_turns_verification_off(ca, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PYTHONHTTPSVERIFY", "SSL_VERIFY", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(variable, "0" if "VERIFY" in variable else "")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    for context in (Trust("s4").context(), Trust("s4", tmp_path / "ca.pem").context()):
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    switches = {"verify", "insecure", "check_hostname", "tls_verify"}
    assert not switches & set(SystemSettings.model_fields)


@pytest.mark.parametrize("password", [None, b"key-pass-word"])
def test_a_client_introduces_itself_with_its_certificate(ca, settings, tmp_path, monkeypatch, password) -> None:
    certificate, key = client_files(ca, tmp_path, "mill.test", password)
    monkeypatch.setenv("KEY_SECRET", "key-pass-word")
    client = {"certificate": certificate, "key": key, **({"password": {"env": "KEY_SECRET"}} if password else {})}

    async def meet() -> None:
        context = server_context(ca, "localhost")
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)
        async with TlsErp(context).running() as erp:
            async with Channel(settings(erp.port, client_certificate=client)) as channel:
                assert isinstance(await verdict_of(channel), Answer)
            assert erp.clients == ["mill.test"]
            async with Channel(settings(erp.port)) as stranger:
                refused = await verdict_of(stranger)
            assert isinstance(refused, Verdict)
            assert (refused.outage, refused.kind is Kind.REJECTED, len(erp.requests)) == (True, False, 1)

    run(meet())


def test_a_client_certificate_is_replaced_without_a_restart(ca, settings, tmp_path) -> None:
    """One that does not fit its key yet changes nothing; connections with the old one are not used again."""
    certificate, key = client_files(ca, tmp_path, "old.test")
    now = [0.0]
    client = settings(1, client_certificate={"certificate": certificate, "key": key}).client_certificate
    trust = Trust("s4", tmp_path / "ca.pem", client, lambda: now[0])
    first = trust.context()
    (tmp_path / "next").mkdir()
    new_certificate, new_key = client_files(ca, tmp_path / "next", "new.test")
    certificate.write_bytes(new_certificate.read_bytes())
    now[0] += 2
    assert trust.context() is first
    key.write_bytes(new_key.read_bytes())
    assert trust.context() is first, "files are not looked at for every request"
    now[0] += 2
    assert trust.context() is not first


def test_connections_begin_afresh_with_a_new_certificate(ca, settings, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sinks.erp.trust._LOOK_EVERY", 0.0)
    certificate, key = client_files(ca, tmp_path, "old.test")

    async def meet() -> None:
        context = server_context(ca, "localhost")
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)
        client = {"certificate": certificate, "key": key}
        async with TlsErp(context).running() as erp, Channel(settings(erp.port, client_certificate=client)) as channel:
            for _ in range(2):
                await channel.exchange(POST, {})
            (tmp_path / "next").mkdir()
            for old, new in zip((certificate, key), client_files(ca, tmp_path / "next", "new.test"), strict=True):
                old.write_bytes(new.read_bytes())
            for _ in range(2):
                await channel.exchange(POST, {})
            assert erp.clients == ["old.test"] * 2 + ["new.test"] * 2

    run(meet())


def _missing(folder: Path, _: trustme.CA) -> dict[str, Any]:
    return {"certificate": folder / "none.crt", "key": folder / "none.key"}


def _no_password(folder: Path, ca: trustme.CA) -> dict[str, Any]:
    certificate, key = client_files(ca, folder, "mill.test", b"key-pass-word")
    return {"certificate": certificate, "key": key}


def _wrong_password(folder: Path, ca: trustme.CA) -> dict[str, Any]:
    (folder / "password").write_text("wrong-pass-word")
    return {**_no_password(folder, ca), "password": {"file": folder / "password"}}


@pytest.mark.parametrize("client", [_missing, _no_password, _wrong_password])
def test_a_client_certificate_that_cannot_be_used_stops_with_its_file(ca, settings, tmp_path, client) -> None:
    with pytest.raises(Misconfigured, match="client_certificate of system 's4'") as stopped:
        Channel(settings(1, client_certificate=client(tmp_path, ca)))
    assert "pass-word" not in str(stopped.value)


def test_a_ca_file_that_holds_no_certificate_stops_with_its_name(settings, tmp_path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(Misconfigured, match="ca_file of system 's4'"):
        Channel(settings(1))
