"""`millrace config`: what is wrong with settings, what is in effect, and keys of older releases."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from dataflows.config_check import unknown_variables
from dataflows.registry import FLOWS
from dataflows.settings import ConfirmationsSettings
from millrace.cli.app import app
from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.settings import load, read
from millrace.settings_moved import MOVED, Moved, bring_up
from sinks.erp.settings import PosterSettings, SystemSettings

FLOW = "flow: confirmations\nkafka: {bootstrap: kafka:9092}\nledger: sqlite:////var/lib/millrace/ledger.db\n"
POSTER = """\
ledger: sqlite:////var/lib/millrace/ledger.db
systems:
  - name: sap
    connector: sap_confirmation
    base_url: https://erp.example.com/sap
"""


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["config", *arguments])


def checked(folder: Path, text: str, *arguments: str) -> dict[str, Any]:
    path = folder / "settings.yaml"
    path.write_text(text)
    done = call("check", str(path), "--json", *arguments)
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "exit": done.exit_code, "path": str(path)}


def shown(folder: Path, text: str, *arguments: str) -> dict[str, tuple[Any, str]]:
    path = folder / "settings.yaml"
    path.write_text(text)
    done = call("show", str(path), "--json", *arguments)
    return {row["key"]: (row["value"], row["whence"].replace(str(path), "FILE")) for row in json.loads(done.stdout)}


def test_settings_without_fault_are_valid(tmp_path: Path) -> None:
    for text, name in ((FLOW, "confirmations"), (POSTER, "a poster")):
        found = checked(tmp_path, text)
        assert (found["exit"], found["settings_of"], found["wrong"], found["warnings"]) == (0, name, [], [])


@pytest.mark.parametrize("flow", FLOWS)
def test_the_flow_is_told_by_the_name_in_the_file(tmp_path: Path, flow: str) -> None:
    name = FLOWS[flow].settings.model_fields["flow"].default
    text = f"flow: {name}\nkafka: {{bootstrap: k:1}}\npublish: true\n"
    assert checked(tmp_path, text)["settings_of"] == flow
    assert checked(tmp_path, text.replace(name, "plant_7"), "--flow", flow)["settings_of"] == flow


def test_everything_that_is_wrong_is_told_at_once_with_file_line_and_field(tmp_path: Path) -> None:
    """A wrong key does not hide a file that is missing, nor a secret in the file an unknown key."""
    text = "flow: confirmations\nlanes: 0\nlane: 4\ncalendar: none.yaml\nkafka:\n  sasl_password: hunter2hunter2\n"
    found = checked(tmp_path, text)
    at = [line.removeprefix(found["path"]).split(": ")[:2] for line in found["wrong"]]
    places = [
        (":2", "lanes"),
        (":3", "lane"),
        (":4", "calendar"),
        (":5", "kafka.bootstrap"),
        (":6", "kafka.sasl_password"),
    ]
    assert sorted(map(tuple, at)) == places
    assert found["exit"] == 2
    assert "hunter2" not in json.dumps(found)


@pytest.mark.parametrize(
    ("text", "field", "told"),
    [
        (FLOW + "mappings: {shop: shop.yaml}\n", ":4: mappings.shop", "there is no file shop.yaml"),
        (FLOW.replace("kafka:9092", "k:1, ssl_ca: ca.pem"), ":2: kafka.ssl_ca", "there is no file ca.pem"),
        (FLOW.replace("ledger:", "recovery:"), ":1: flow", "announce its documents nowhere"),
        (POSTER + "    options: {color: red}\n", ":6: systems.0.options", "color"),
        (POSTER.replace("sap_conf", "s4_conf"), ":3: systems.0.options", "unknown connector"),
        (
            POSTER + "    auth: {kind: token, token: {env: NOT_SET_HERE}}\n",
            ":6: systems.0.auth.token",
            "NOT_SET_HERE is not set",
        ),
    ],
)
def test_what_no_model_can_know_is_checked_too(tmp_path: Path, text: str, field: str, told: str) -> None:
    found = checked(tmp_path, text)
    (line,) = found["wrong"]
    assert line.startswith(f"{found['path']}{field}: ")
    assert told in line


def test_a_mapping_and_a_calendar_are_read_to_see_whether_they_can_be(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("version: 1\nformats: x\n")
    (tmp_path / "days.yaml").write_text("- {plant: P1}\n")
    text = f"{FLOW}mappings: {{shop: {tmp_path}/shop.yaml}}\ncalendar: {tmp_path}/days.yaml\n"
    wrong = checked(tmp_path, text)["wrong"]
    assert any("shop.yaml:2" in line and "formats" in line for line in wrong)
    assert any(": calendar: " in line for line in wrong)


def test_a_variable_that_sets_nothing_warns_and_those_of_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_KAFAK__BOOTSTRAP", "k:1")
    monkeypatch.setenv("MILLRACE_POST_NAME", "poster-7")
    monkeypatch.setenv("MILLRACE_LOG", "info")
    found = checked(tmp_path, FLOW)
    assert (found["exit"], len(found["warnings"])) == (1, 1)
    assert "MILLRACE_KAFAK__BOOTSTRAP sets nothing" in found["warnings"][0]
    assert checked(tmp_path, POSTER)["warnings"] == []


def test_a_wrong_value_of_the_environment_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_LANES", "many")
    (line,) = checked(tmp_path, FLOW)["wrong"]
    assert line.startswith("environment variable MILLRACE_LANES: lanes: ")


def test_each_value_is_shown_with_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_KAFKA__BOOTSTRAP", "other:9092")
    monkeypatch.setenv("MILLRACE_LANES", "8")
    rows = shown(tmp_path, FLOW + 'numbering:\n  - source: "press-*"\n    modulus: 256\n')
    assert rows["kafka.bootstrap"] == ("other:9092", "MILLRACE_KAFKA__BOOTSTRAP")
    assert rows["lanes"] == (8, "MILLRACE_LANES")
    assert rows["numbering.0.modulus"] == (256, "FILE:6")
    assert rows["ledger"] == ("sqlite:////var/lib/millrace/ledger.db", "FILE:3")
    assert rows["window"] == ("shift", "default")


@pytest.mark.parametrize("flow", FLOWS)
def test_every_key_of_a_flow_is_shown(tmp_path: Path, flow: str) -> None:
    keys = {key.split(".")[0] for key in shown(tmp_path, FLOW, "--flow", flow)}
    assert keys == set(FLOWS[flow].settings.model_fields)


def test_no_secret_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is too short to be searched for in texts."""
    monkeypatch.setenv("MILLRACE_KAFKA__SASL_PASSWORD", "§pw§")
    monkeypatch.setenv("MILLRACE_LEDGER", "postgresql+psycopg://millrace:swordfish1@db/ledger")
    rows = shown(tmp_path, FLOW)
    assert rows["kafka.sasl_password"] == ("[redacted]", "MILLRACE_KAFKA__SASL_PASSWORD")
    assert "swordfish1" not in str(rows["ledger"][0])
    text = call("show", str(tmp_path / "settings.yaml")).output
    assert "§pw§" not in text
    assert "swordfish1" not in text
    assert load(ConfirmationsSettings, tmp_path / "settings.yaml").ledger is not None, "the control: they are in effect"


def test_the_reference_is_the_page_of_settings() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert call("docs").stdout == page.read_text(encoding="utf-8")


# -- keys of older releases


class Example(BaseModel, extra="forbid"):
    """Settings with a key that had another name, one that had another place, and one that is gone."""

    pace_s: float = 1.0
    login: dict[str, str] = {}
    parts: list[dict[str, Any]] = []


TABLE = (
    Moved("Example", "speed", "2.0.0", "pace_s, in seconds", to="pace_s"),
    Moved("Example", "user", "2.0.0", "login.name", to="login.name", also={"login.kind": "basic"}),
    Moved("Example", "parts.*.colour", "2.0.0", "nothing: all are grey", ignored=True),
    Moved("Example", "factor", "2.1.0", "pace_s, which is its inverse"),
)


def example(folder: Path, text: str, environment: dict[str, str] | None = None) -> Any:
    (folder / "old.yaml").write_text(text)
    return read(Example, folder / "old.yaml", environment or {}, moved=TABLE)


def test_a_key_with_a_new_name_is_taken_over_with_a_warning(tmp_path: Path) -> None:
    given = example(tmp_path, "parts: []\nspeed: 7\nuser: ann\n")
    assert (given.settings.pace_s, given.settings.login) == (7, {"name": "ann", "kind": "basic"})
    first, second = given.warnings
    assert first.endswith(
        "old.yaml:2: speed: is gone since release 2.0.0; taken as pace_s; write instead: pace_s, in seconds"
    )
    assert "old.yaml:3: user: " in second


def test_a_key_without_effect_is_left_out_with_a_warning(tmp_path: Path) -> None:
    given = example(tmp_path, "parts:\n  - colour: red\n    size: 1\n")
    assert given.settings.parts == [{"size": 1}]
    assert "old.yaml:2: parts.0.colour: is gone since release 2.0.0 and has no effect" in given.warnings[0]


def test_a_key_that_no_rule_can_translate_is_refused_with_the_way_on(tmp_path: Path) -> None:
    with pytest.raises(
        Misconfigured, match=r"old\.yaml:1: factor: is gone since release 2\.1\.0; write instead: pace_s"
    ):
        example(tmp_path, "factor: 2\n")


def test_old_and_new_name_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"speed: is gone since release 2\.0\.0, and pace_s is given as well"):
        example(tmp_path, "speed: 1\npace_s: 2\n")


def test_an_old_variable_is_no_longer_read_and_one_into_an_old_section_is_not_lost_silently(tmp_path: Path) -> None:
    """Variables are read by the names of today's keys; `config check` warns of the others."""
    assert example(tmp_path, "", {"MILLRACE_SPEED": "7"}).warnings == []
    assert len(unknown_variables(Example, "MILLRACE_", {"MILLRACE_SPEED": "7"})) == 1


def test_without_the_table_an_old_key_is_only_unknown(tmp_path: Path) -> None:
    """The control: the table is what knows the way on."""
    (tmp_path / "old.yaml").write_text("speed: 7\n")
    with pytest.raises(Misconfigured, match=r"old\.yaml:1: speed: unknown key"):
        read(Example, tmp_path / "old.yaml", {}, moved=())


def test_a_poster_of_before_auth_still_starts_and_says_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "post.yaml"
    path.write_text(POSTER + "    user: MILLRACE\n    password: {env: ERP_PASSWORD}\n")
    told: list[str] = []
    auth = load(PosterSettings, path, {}, warn=told.append).systems[0].auth
    assert auth is not None
    assert (auth.kind, auth.user, auth.password.env) == ("basic", "MILLRACE", "ERP_PASSWORD")  # type: ignore[union-attr]
    assert [line.split(": ")[0].removeprefix(str(tmp_path)) for line in told] == ["/post.yaml:6", "/post.yaml:7"]
    rows = shown(tmp_path, path.read_text())
    assert rows["systems.0.auth.user"] == ("MILLRACE", "FILE:6")


MODELS: dict[str, type[BaseModel]] = {
    "PosterSettings": PosterSettings,
    "FlowSettings": ConfirmationsSettings,
    **{flow.settings.__name__: flow.settings for flow in FLOWS.values()},
}


@pytest.mark.parametrize("entry", MOVED, ids=lambda entry: entry.key)
def test_every_old_key_names_a_model_and_is_none_of_todays(entry: Moved) -> None:
    model = MODELS[entry.model]
    head = entry.key.split(".")
    section = SystemSettings if head[:2] == ["systems", "*"] else model
    assert entry.key.count(".*.options.") == 1 or head[-1] not in section.model_fields
    if entry.to is not None:
        assert entry.to.split(".")[0] in section.model_fields


def test_settings_of_today_are_left_as_they_are() -> None:
    values = {"ledger": "x", "systems": [{"name": "sap", "options": {"messages": {}}}]}
    assert bring_up(PosterSettings, values) == []
    assert values == {"ledger": "x", "systems": [{"name": "sap", "options": {"messages": {}}}]}


# -- reachable or not


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_an_erp_host_and_a_ledger_that_are_there_are_told_from_those_that_are_not(tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path}/ledger.db").close()
    text = POSTER.replace("/var/lib/millrace", str(tmp_path))
    with listening() as port:
        there = checked(tmp_path, text.replace("https://erp.example.com", f"http://127.0.0.1:{port}"), "--online")
    gone = checked(tmp_path, text.replace("https://erp.example.com", f"http://127.0.0.1:{port}"), "--online")
    assert [(each["what"], each["holds"]) for each in there["reached"]] == [("ledger", True), ("host of sap", True)]
    assert [(each["what"], each["holds"]) for each in gone["reached"]] == [("ledger", True), ("host of sap", False)]
    assert (there["exit"], gone["exit"]) == (0, 1)


def test_the_check_makes_no_ledger_and_says_when_its_folder_is_missing(tmp_path: Path) -> None:
    flow = f"flow: confirmations\nledger: sqlite:///{tmp_path}/new.db\nrecovery: {tmp_path}/a/b\n"
    reached = {each["what"]: each for each in checked(tmp_path, flow, "--online")["reached"]}
    assert all(each["holds"] for each in reached.values())
    assert reached["ledger"]["detail"] == "is made at the first start"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["settings.yaml"]
    (nowhere,) = checked(tmp_path, f"flow: confirmations\nledger: sqlite:///{tmp_path}/no/new.db\n", "--online")[
        "reached"
    ]
    assert not nowhere["holds"]
