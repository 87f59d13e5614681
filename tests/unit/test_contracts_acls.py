"""Rights from contracts: each party gets what its contracts declare and nothing else."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from typer.testing import CliRunner

from dataflows.movement_settings import GoodsMovementsSettings
from millrace.cli.app import app
from millrace.errors import Misconfigured
from schemas.contracts import Contract, contracts, from_schema
from schemas.governance.acls import Grant, grants
from tests.contract_base import BASE


def probe(**stated: Any) -> Contract:
    return from_schema({**BASE, **stated})


def test_a_producer_may_write_its_topics_and_read_nothing() -> None:
    found = grants([probe(), probe(topic="other", producers=["system:erp"])], topic_prefix="prod.")
    assert [each for each in found if each.principal == "User:system-mes"] == [
        Grant("User:system-mes", "TOPIC", "prod.probe", "WRITE")
    ]


def test_a_flow_may_read_its_topics_and_commit_to_its_groups_and_history_is_no_client() -> None:
    found = [each for each in grants([probe()]) if each.principal != "User:system-mes"]
    assert {each.principal for each in found} == {"User:flow-confirmations"}
    assert {(each.resource, each.name, each.operation, each.pattern) for each in found} == {
        ("TOPIC", "probe", "READ", "LITERAL"),
        ("GROUP", "confirmations", "READ", "LITERAL"),
        ("GROUP", "confirmations_", "READ", "PREFIXED"),
        ("GROUP", "millrace-", "DESCRIBE", "PREFIXED"),
    }


def test_a_flow_of_two_words_commits_to_the_group_that_its_settings_name() -> None:
    """A flow's name stands in file names, where a hyphen separates."""
    found = grants([probe(consumers=["flow:goods-movements"])])
    groups = {each.name for each in found if (each.resource, each.operation) == ("GROUP", "READ")}
    assert groups == {GoodsMovementsSettings().flow, "goods_movements_"}


def test_two_parties_that_would_be_one_principal_are_refused() -> None:
    twice = probe(producers=["flow:quality"], consumers=["system:quality"])
    assert len({each.principal for each in grants([twice])}) == 2
    with pytest.raises(Misconfigured, match="flow:quality and system:quality would both be User:quality"):
        grants([twice], "User:{name}")


def test_a_template_without_the_name_is_refused() -> None:
    """All parties would be one principal with the rights of all."""
    with pytest.raises(Misconfigured, match="would both be User:everybody"):
        grants([probe()], "User:everybody")


def test_a_line_for_kafkas_own_tool_is_quoted_for_the_shell() -> None:
    line = Grant("User:CN=a b,O=x'y", "TOPIC", "probe", "WRITE").command("kafka:9092", "admin.properties")
    assert shlex.split(line)[:9] == [
        *("kafka-acls.sh", "--bootstrap-server", "kafka:9092", "--command-config", "admin.properties"),
        *("--add", "--allow-principal", "User:CN=a b,O=x'y", "--operation"),
    ]


def test_every_contracts_producers_and_consumers_have_their_lines() -> None:
    done = CliRunner().invoke(app, ["contracts", "acls", "--format", "json"])
    told = {(each["principal"], each["name"], each["operation"]) for each in json.loads(done.stdout)["grants"]}
    for each in contracts().values():
        for party in each.schema["producers"]:
            assert (f"User:{party.replace(':', '-')}", each.topic, "WRITE") in told
        for party in each.schema["consumers"]:
            assert ((f"User:{party.replace(':', '-')}", each.topic, "READ") in told) is (party[:8] != "history:")
    lines = CliRunner().invoke(app, ["contracts", "acls"]).stdout.splitlines()
    assert len(lines) == len(told)
    assert all(line.startswith("kafka-acls.sh --bootstrap-server localhost:9092 --add ") for line in lines)


def test_without_settings_there_is_no_cluster_to_apply_to() -> None:
    done = CliRunner().invoke(app, ["contracts", "acls", "--apply"])
    assert "--config" in str(done.exception)
