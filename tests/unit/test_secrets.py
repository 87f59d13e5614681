"""Secrets: where they come from, how they are replaced, and that texts lose them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dataflows.settings import ConfirmationsSettings
from millrace.errors import Misconfigured
from millrace.redact import MASK, Redactor
from millrace.secret import RotatingSecret, Secret, refuse_password
from millrace.settings import load
from sinks.erp.settings import PosterSettings

SYSTEM = "{name: s4, connector: sap_confirmation, base_url: 'https://erp.test/x'%s}"


def test_a_secret_comes_from_a_file_or_the_environment_and_never_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("hush hush \n")
    monkeypatch.setenv("ERP_PASSWORD", "hush hush ")
    for secret in (Secret(file=tmp_path / "password"), Secret(env="ERP_PASSWORD")):
        assert secret.read().get_secret_value() == "hush hush "
        assert "hush" not in repr(secret.read())


def test_a_secret_that_is_not_there_is_named_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for secret, place in (
        (Secret(env="NOT_SET"), "NOT_SET"),
        (Secret(env="EMPTY"), "EMPTY is empty"),
        (Secret(file=tmp_path / "none"), "none"),
        (Secret(file=tmp_path / "binary"), "not UTF-8"),
    ):
        with pytest.raises(Misconfigured, match=place):
            secret.read()
    for places in ({}, {"env": "A", "file": "b"}):
        with pytest.raises(ValidationError):
            Secret(**places)


def test_a_replaced_file_is_read_again_and_one_that_is_gone_keeps_the_last_secret(tmp_path: Path) -> None:
    """Kubernetes swaps a symlink; a file that is written in place is empty for a moment."""
    for number in (1, 2):
        (tmp_path / f"v{number}").mkdir()
        (tmp_path / f"v{number}" / "password").write_text(f"word-{number}")
    link = tmp_path / "current"
    link.symlink_to("v1")
    secret = RotatingSecret(Secret(file=link / "password"))
    assert secret.value() == "word-1"
    (tmp_path / "next").symlink_to("v2")
    os.replace(tmp_path / "next", link)
    assert secret.value() == "word-2"
    (tmp_path / "v2" / "password").write_text("")
    assert secret.value() == "word-2"
    link.unlink()
    assert secret.value() == "word-2"


@pytest.mark.parametrize(
    ("model", "text", "place"),
    [
        (
            ConfirmationsSettings,
            "kafka:\n  bootstrap: k:9092\n  sasl_password: s3cret-word\n",
            "3: kafka.sasl_password",
        ),
        (ConfirmationsSettings, "registry:\n  url: https://r\n  password: s3cret-word\n", "3: registry.password"),
        (ConfirmationsSettings, "flow: a\nledger: postgresql://u:s3cret-word@db/x\n", "2: ledger"),
        (
            PosterSettings,
            f"ledger: sqlite:///x\nsystems:\n- {SYSTEM % ', options: {proxy: https://u:s3cret-word@p}'}\n",
            "3: systems.0.options.proxy",
        ),
    ],
)
def test_a_settings_file_that_holds_a_secret_is_refused_by_line_without_showing_it(
    model: type, text: str, place: str, tmp_path: Path
) -> None:
    (tmp_path / "flow.yaml").write_text(text)
    with pytest.raises(Misconfigured, match="holds a secret") as refused:
        load(model, tmp_path / "flow.yaml", {})
    assert f"flow.yaml:{place}" in str(refused.value)
    assert "s3cret-word" not in str(refused.value)


def test_the_environment_may_hold_the_password_of_a_url(tmp_path: Path) -> None:
    (tmp_path / "post.yaml").write_text(f"systems: [{SYSTEM % ''}]\n")
    url = "postgresql://u:s3cret-word@db/x"
    settings = load(PosterSettings, tmp_path / "post.yaml", {"MILLRACE_POST_LEDGER": url}, prefix="MILLRACE_POST_")
    assert settings.ledger == url


@pytest.mark.parametrize(
    "where", ["base_url: 'https://u:s3cret-word@erp.test/x'", "base_url: 'https://s3cret-word@h/'"]
)
def test_an_address_with_credentials_is_refused_without_showing_them(where: str, tmp_path: Path) -> None:
    (tmp_path / "post.yaml").write_text(f"ledger: sqlite:///x\nsystems:\n- name: s4\n  connector: x\n  {where}\n")
    with pytest.raises(Misconfigured, match="base_url") as refused:
        load(PosterSettings, tmp_path / "post.yaml", {}, prefix="MILLRACE_POST_")
    assert "s3cret-word" not in str(refused.value)


def test_a_password_on_the_command_line_is_refused() -> None:
    refuse_password("postgresql://user@db:5432/ledger", "")
    with pytest.raises(Misconfigured, match="set PGPASSFILE"):
        refuse_password("postgresql://user:word@db:5432/ledger", "set PGPASSFILE")


@given(st.text(min_size=6, max_size=30).filter(str.strip))
def test_a_known_secret_is_found_in_every_form_that_a_system_may_repeat_it_in(secret: str) -> None:
    redact = Redactor()
    redact.keep_out(secret)
    for shown in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert shown not in redact(f"the ERP says <{shown}> to this").replace(MASK, "")


SHAPES = {
    "header": "Authorization: Basic TGVvbjpwYXNzd29yZA==",
    "header in JSON": '{"headers": {"authorization": "Bearer LEAKED.LEAKED-LEAKED"}}',
    "bearer alone": "sent Bearer LEAKED.LEAKED-LEAKED to the service",
    "cookie": "Set-Cookie: SAP_SESSIONID=LEAKED; path=/",
    "token answer": '{"access_token":"LEAKED","expires_in":3600}',
    "form": "grant_type=client_credentials&client_secret=LEAKED&scope=x",
    "URL": "cannot connect to postgresql+psycopg://millrace:LEAKED@db:5432/ledger",
    "quoted": "password='LEAKED with blanks'",
    "cut short": '{"client_secret": "LEAKED and then the answer ends',
    "said": "logon failed, password: LEAKED-1 was wrong",
    "csrf": "x-csrf-token=LEAKED==",
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_credentials_of_others_are_known_by_their_shape(text: str) -> None:
    shown = Redactor()(text)
    assert MASK in shown
    assert "LEAKED" not in shown
    assert "TGVvbjpwYXNzd29yZA" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "M7/021: Deficit of SL Unrestricted-use 4 PC: 1000 PLANT1",
        "OrderID: '1 or 1' has more than 12 characters",
        "CSRF token expired",
        "post.yaml:3: kafka.sasl_password: Input should be a valid string",
        "password: expired.",
        "HTTP 302 to 'https://elsewhere.test/login'",
        "ProdnOrdConf2?$filter=ExternalSystemConfirmation eq guid'1'",
        "basic material of order 1000001, operation 0010",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert Redactor()(text) == text


def test_short_values_are_not_searched_for_and_passing_ones_are_forgotten_in_time() -> None:
    redact = Redactor()
    redact.keep_out("1000")
    assert redact("order 1000") == "order 1000"
    redact.keep_out("lasting-secret")
    for number in range(300):
        redact.keep_out(f"passing-{number:03d}.", passing=True)
    assert redact("lasting-secret passing-000. passing-299.") == f"{MASK} passing-000. {MASK}"


def test_redaction_reaches_into_nested_values() -> None:
    redact = Redactor()
    redact.keep_out("s3cret-word")
    wanted = {"a": [MASK, 1, {"b": f"x {MASK}"}]}
    assert redact.all_in({"a": ["s3cret-word", 1, {"b": "x s3cret-word"}]}) == wanted
    assert base64.b64encode(b"x").decode() == redact.all_in(base64.b64encode(b"x").decode())
