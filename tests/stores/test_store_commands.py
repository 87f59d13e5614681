"""Commands and kills on an object store, and who may come in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from millrace.errors import Misconfigured, Retriable
from sinks.history.compact import compact
from sinks.history.delta import DeltaTarget
from sinks.history.manifest import write_manifest
from sinks.history.places import ObjectPath
from sinks.history.publish import publish
from sinks.history.store import read_bytes, write
from sinks.history.store_clients import polars_options
from tests.servers.object_stores import ObjectStoreServer
from tests.stores.case import in_raw, put_tree, seen
from tests.stores.spool_life import epoch, ids_of, life, settle
from tests.unit.history_case import BEFORE, TOPIC, fill

HERE = Path(__file__).parents[2]
COMPACTION = """
import sys
from datetime import date
from sinks.history.compact import compact
from sinks.history.manifest import write_manifest
from sinks.history.places import located
compact(located(sys.argv[1]), "machine-cycle", date(2026, 3, 4), lambda name: 70)
write_manifest(located(sys.argv[1]), "machine-cycle", None)
"""
POINTS = ("history.before_publish", "history.after_publish", "history.between_removals@2", "history.before_manifest")


@pytest.mark.parametrize("point", POINTS)
def test_a_compaction_that_is_killed_shows_no_row_twice_and_hides_none(
    root: ObjectPath, tmp_path: Path, point: str
) -> None:
    everything = fill(tmp_path, 24)
    put_tree(tmp_path, root)
    command = [sys.executable, "-c", COMPACTION, str(root)]
    env = {**os.environ, "MILLRACE_FAILPOINT": point}
    assert subprocess.run(command, env=env, cwd=HERE, check=False).returncode == -9
    assert seen(root) == everything
    compact(root, TOPIC, BEFORE, lambda _: 70)
    assert seen(root) == everything
    assert in_raw(root) == []
    assert write_manifest(root, TOPIC, None)["rows"] == len(everything)


def test_what_a_stopped_flow_left_in_its_spool_is_uploaded_by_a_command(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    writer, spool = life(root, tmp_path)
    writer.restore(None)
    epoch(writer, 0)
    writer.sync()
    settle(spool)
    server.link.cut()
    epoch(writer, 1)
    state = writer.sync()
    spool.close()
    arguments = ["history", "upload", "--root", str(root), "--spool", str(tmp_path / "spool")]
    with pytest.raises(Retriable, match="3 wait"):
        CliRunner().invoke(app, [*arguments, "--wait", "0"], catch_exceptions=False)
    server.link.heal()
    for done in ("3 files uploaded", "0 files uploaded"):
        told = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
        assert told.endswith(f"confirmations-state1-lane-00: {done}\n")
        assert in_raw(root) == ids_of(2)
    later, spool = life(root, tmp_path)
    later.restore(state)
    epoch(later, 2)
    later.sync()
    settle(spool)
    assert in_raw(root) == ids_of(3)


def test_a_delta_table_lies_beside_the_history(
    root: ObjectPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ObjectStoreServer
) -> None:
    for name, value in server.direct.items():
        monkeypatch.setenv(name, value)
    fill(tmp_path)
    put_tree(tmp_path, root)
    compact(root, TOPIC, BEFORE, lambda _: 10**9)
    target = DeltaTarget(root.parent / "tables", TOPIC)
    assert publish(root, TOPIC, target).rows == 144
    assert publish(root, TOPIC, target).unchanged == 3
    table = target.table()
    assert table is not None
    assert table.to_pyarrow_dataset().count_rows() == 144


def test_keys_are_read_from_files(root: ObjectPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not root.bucket.startswith("s3://"):
        pytest.skip("the same code for all clouds")
    secret = tmp_path / "secret"
    secret.write_text("millrace-secret\n")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(secret))
    write(root / "x", b"1")
    assert read_bytes(root / "x") == b"1"
    assert polars_options(root.bucket)["aws_secret_access_key"] == secret.read_text().strip()
    assert not any(name.endswith("_file") for name in polars_options(root.bucket))


def test_wrong_keys_are_a_setting_to_mend_and_are_not_told(
    root: ObjectPath, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if "minio" not in request.node.name:
        pytest.skip("the emulator lets everybody in")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret-at-all")
    with pytest.raises(Misconfigured, match="access refused") as told:
        write(root / "x", b"1")
    assert "not-the-secret" not in str(told.value)
