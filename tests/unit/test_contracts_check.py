"""Compatibility: every known change has its verdict, and a refusal says all that one needs to act."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from millrace.errors import Misconfigured
from schemas.contracts import AVRO_FOLDER, contracts, from_schema
from schemas.governance.check import Report, check_contract, check_folder
from schemas.governance.differences import RULES
from schemas.governance.versions import FolderVersions, GitVersions, Version
from tests.contract_base import BASE
from tests.contract_changes import CHANGES, TODAY, Change


def _report(change: Change) -> Report:
    versions = [Version(f"version {number}", schema) for number, schema in enumerate(change.older(), 1)]
    return check_contract(from_schema(change.newer()), versions, TODAY)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title)
def test_a_change_gets_the_verdict_of_the_table_for_the_reason_of_the_table(change: Change) -> None:
    report = _report(change)
    found = {each.difference.rule for each in report.refusals} | {each.rule for each in report.allowed}
    assert change.rule in found
    assert bool(report.refusals) is not change.allowed
    assert change.allowed or change.rule in {each.difference.rule for each in report.refusals}


def test_the_table_has_every_rule_that_two_versions_can_break() -> None:
    of_files = {"released_edited", "released_missing", "contract_removed", "meaning_stated"}
    assert {change.rule for change in CHANGES} == set(RULES) - of_files
    assert len(CHANGES) > 40


def test_whatever_a_registry_refuses_we_refuse() -> None:
    assert [change.title for change in CHANGES if change.allowed and not change.registry] == []


def test_a_refusal_names_field_versions_consumers_and_the_way_out() -> None:
    newer = copy.deepcopy(BASE)
    next(each for each in newer["fields"] if each["name"] == "quantity")["type"]["scale"] = 3
    versions = [Version("version 1", BASE), Version("version 2", {**copy.deepcopy(BASE), "doc": "Other words."})]
    report = check_contract(from_schema(newer), versions, TODAY)
    sentence = report.refusals[0].sentence("Probe")
    assert sentence.startswith("Probe.quantity: decimal scale from 6 to 3 (version 1, version 2 against")
    assert "flow:confirmations (" in sentence
    assert "history:raw (column probe.quantity)" in sentence
    assert "Instead: add a new optional field" in sentence


def test_words_that_only_changed_pass_when_the_release_log_says_so() -> None:
    change = next(each for each in CHANGES if each.rule == "symbol_meaning" and not each.history)
    versions = [Version("version 1", each) for each in change.older()]
    clarified = check_contract(from_schema(change.newer()), versions, TODAY, frozenset({"kind.B"}))
    other = check_contract(from_schema(change.newer()), versions, TODAY, frozenset({"kind.A"}))
    assert (clarified.verdict, other.verdict) == ("documentation", "refused")


def test_a_declaration_of_words_does_not_excuse_what_changes_bytes() -> None:
    change = next(each for each in CHANGES if each.rule == "decimal_scale")
    versions = [Version("version 1", each) for each in change.older()]
    report = check_contract(from_schema(change.newer()), versions, TODAY, frozenset({"quantity", "weight"}))
    assert report.verdict == "refused"


def test_the_committed_contracts_are_compatible_with_all_that_was_released() -> None:
    refused = [r.sentence(each.contract) for each in check_folder(FolderVersions()) for r in each.refusals]
    assert refused == []


def test_every_current_contract_is_word_for_word_its_newest_released_version() -> None:
    """Else a meaning could be stated, and changed before anyone could hold it against us."""
    versions = FolderVersions()
    newest = {name: versions.of(name, each.subject)[-1].schema for name, each in contracts().items()}
    unreleased = [name for name, each in contracts().items() if each.schema != newest[name]]
    assert unreleased == [], "run `millrace contracts release NAME --change ...`"


def _copied(folder: Path) -> Path:
    return Path(shutil.copytree(AVRO_FOLDER, folder / "avro"))


def _edit(path: Path, **properties: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **properties}))


def test_a_contract_that_is_gone_is_refused(tmp_path: Path) -> None:
    folder = _copied(tmp_path)
    (folder / "Alert.avsc").unlink()
    reports = {each.contract: each for each in check_folder(FolderVersions(folder), folder)}
    assert reports["Alert"].refusals[0].difference.rule == "contract_removed"


def test_against_a_git_ref_the_current_file_counts_and_released_files_are_immutable(tmp_path: Path) -> None:
    folder = _copied(tmp_path)

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "contracts")
    against = GitVersions("HEAD", folder)
    assert [each.contract for each in check_folder(against, folder) if each.refusals] == []
    _edit(folder / "Alert.avsc", key="plant")
    _edit(folder / "released/Material/1.avsc", doc="Other words.")
    (folder / "released/StateTime/1.avsc").unlink()
    reports = {each.contract: each for each in check_folder(against, folder)}
    rules = {name: {each.difference.rule for each in reports[name].refusals} for name in reports}
    assert rules["Alert"] == {"key_changed"}
    assert rules["Material"] == {"released_edited"}
    assert rules["StateTime"] == {"released_missing"}


@pytest.mark.parametrize("ref", ["no-such-ref", "--help", "-1"])
def test_a_ref_that_git_does_not_know_is_told(ref: str) -> None:
    with pytest.raises(Misconfigured, match="Git says"):
        GitVersions(ref)


def test_a_released_file_that_is_no_schema_is_told(tmp_path: Path) -> None:
    folder = _copied(tmp_path)
    (folder / "released/Alert/1.avsc").write_text('{"type": "record"}')
    with pytest.raises(Misconfigured, match="Alert: version 1"):
        check_folder(FolderVersions(folder), folder)
