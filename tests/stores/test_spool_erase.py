"""A person taken out of what waits in a spool: the name never reaches the store, and each row does once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from millrace.cli.app import app
from sinks.history.erase_spool import erase_spool
from sinks.history.erasure_report import FOLDER, Report
from sinks.history.places import ObjectPath
from sinks.history.reading import read
from sinks.history.spool import Spool, SpoolLimit
from sinks.history.store import below, read_bytes
from sinks.parquet import HistoryWriter
from tests.servers.object_stores import ObjectStoreServer
from tests.stores.spool_life import settle
from tests.unit.erase_case import ONE_RUN, ROOT, TOPIC, reports

EPOCHS, AN_EPOCH = 6, 8
#: Of a person in the files that wait, and in all.
IN_SPOOL, IN_ALL = 10, 12
POINTS = ["erase.after_note", "erase.before_publish@2", "erase.after_publish", "erase.between_reports"]


def life(root: ObjectPath, folder: Path, state: dict[str, Any] | None = None) -> tuple[HistoryWriter, Spool]:
    """A flow of operator reports that goes on from a snapshot."""
    spool = Spool(folder, root, SpoolLimit(10**9), "confirmations", "lane-00")
    topics = {"OperationReport": TOPIC}
    writer = HistoryWriter(folder, "confirmations", "lane-00", topics, lambda: "state1", spool)
    writer.restore(state)
    return writer, spool


def stopped(root: ObjectPath, folder: Path, server: ObjectStoreServer) -> dict[str, Any]:
    """A flow that was stopped while the store was down, all but the first file in its spool; its last snapshot."""
    writer, spool = life(root, folder)
    for number in range(EPOCHS):
        if number == 1:
            settle(spool)
            server.link.cut()
        writer.write("OperationReport", reports(range(number * AN_EPOCH, (number + 1) * AN_EPOCH), f"E{number}"))
        state = writer.sync()
    spool.close()
    server.link.heal()
    return state


def erase(root: ObjectPath, *more: object) -> tuple[int, dict[str, Any]]:
    arguments = ["history", "erase", "--root", root, "--operator", "ann", "--reason", "request 17", *more, "--json"]
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


def waiting(folder: Path) -> pl.DataFrame:
    """Rows in the spool."""
    return pl.concat(pl.read_parquet(path) for path in folder.rglob("*.parquet")).sort("event_id")


def everything(root: ObjectPath, folder: Path) -> pl.DataFrame:
    """Rows of both."""
    return pl.concat([in_store(root), waiting(folder)]).sort("event_id")


def in_store(root: ObjectPath) -> pl.DataFrame:
    files = read(root, TOPIC, lambda paths: [pl.read_parquet(read_bytes(path)) for path in paths])
    return pl.concat(files).sort("event_id")


def test_what_waits_is_erased_with_proof_and_reaches_the_store_without_the_name(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    spool = tmp_path / "spool"
    state = stopped(root, spool, server)
    before, whole = waiting(spool), everything(root, spool)
    old = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in spool.rglob("*.parquet")}
    code, said = erase(root, "--spool", spool, "--retired", "state1")
    after = waiting(spool)
    assert (code, [each["rows"] for each in said["topics"]]) == (0, [IN_SPOOL, IN_ALL - IN_SPOOL])
    assert (before["operator"].eq("ann").sum(), after["operator"].eq("ann").sum()) == (IN_SPOOL, 0)
    assert after.drop("operator").equals(before.drop("operator"))
    run = said["report"].removesuffix(".json").rpartition("/")[2]
    proof = pl.read_parquet(read_bytes(root / FOLDER / f"{run}.parquet"))
    assert proof["done"].all()
    new = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in spool.rglob("*.parquet")}
    told = proof.filter(pl.col("file").str.starts_with("/")).select("file", "sha256_before", "sha256_after").rows()
    assert [(file, old[file], new[file]) for file, *_ in told] == told
    assert len(told) == EPOCHS - 1
    assert json.loads(read_bytes(root / FOLDER / f"{run}.json"))["spools"] == [str(spool)]
    _, uploading = life(root, spool, state)
    settle(uploading)
    uploading.close()
    assert in_store(root).drop("operator").equals(whole.drop("operator"))
    assert in_store(root)["operator"].eq("ann").sum() == 0


def test_without_the_spool_the_name_comes_into_the_store_afterwards_and_the_command_says_so(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    """Negative control of the test above."""
    state = stopped(root, tmp_path, server)
    arguments = ["history", "erase", "--root", str(root), "--operator", "ann", "--reason", "17"]
    assert "no --spool was given" in CliRunner().invoke(app, [*arguments, "--retired", "state1"]).stderr
    _, uploading = life(root, tmp_path, state)
    settle(uploading)
    uploading.close()
    assert in_store(root)["operator"].eq("ann").sum() == IN_SPOOL


def test_the_spool_of_a_running_flow_is_counted_and_left_alone(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    state = stopped(root, tmp_path, server)
    server.link.cut()
    _, uploading = life(root, tmp_path, state)
    before = waiting(tmp_path)
    done = erase_spool(root, tmp_path, "ann", lambda _: 10**9, None)
    assert [each.running for each in done] == [{"confirmations-state1-lane-00": EPOCHS - 1}]
    assert (done[0].files, done[0].not_final) == (0, {})
    server.link.heal()
    assert waiting(tmp_path).equals(before)
    uploading.close()


def test_files_that_the_flow_writes_again_wait_and_the_command_ends_with_1(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    stopped(root, tmp_path, server)
    code, said = erase(root, "--spool", tmp_path)
    assert (code, said["topics"][0]["not_final"]) == (1, {"confirmations-state1-lane-00": EPOCHS - 1})
    report = Report.begin(root, {"what": "erase"})
    (done,) = erase_spool(root, tmp_path, "ann", lambda _: 4, report)
    assert (done.files, sum(done.not_final.values())) == (3, 2)


def test_a_dry_run_counts_the_same_and_changes_nothing(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer
) -> None:
    stopped(root, tmp_path, server)
    before = waiting(tmp_path)
    _, would = erase(root, "--spool", tmp_path, "--retired", "state1", "--dry-run")
    assert waiting(tmp_path).equals(before)
    assert would["topics"] == erase(root, "--spool", tmp_path, "--retired", "state1")[1]["topics"]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_loses_and_doubles_no_row_and_the_next_run_ends_the_work(
    root: ObjectPath, tmp_path: Path, server: ObjectStoreServer, point: str
) -> None:
    state = stopped(root, tmp_path, server)
    before, whole = waiting(tmp_path), everything(root, tmp_path)
    given = [
        "--root",
        str(root),
        "--operator",
        "ann",
        "--reason",
        "17",
        "--spool",
        str(tmp_path),
        "--retired",
        "state1",
    ]
    command = [sys.executable, "-c", ONE_RUN, "history", "erase", *given]
    killed = subprocess.run(command, env={**os.environ, "MILLRACE_FAILPOINT": point}, cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert waiting(tmp_path).drop("operator").equals(before.drop("operator"))
    assert erase(root, "--spool", tmp_path, "--retired", "state1")[0] == 0
    proofs = [found.path for found in below(root / FOLDER, ".parquet")]
    done = pl.concat([pl.read_parquet(read_bytes(path)) for path in proofs]).filter("done")
    assert done["changed"].sum() == IN_ALL
    _, uploading = life(root, tmp_path, state)
    settle(uploading)
    uploading.close()
    assert in_store(root).drop("operator").equals(whole.drop("operator"))
    assert in_store(root)["operator"].eq("ann").sum() == 0
    assert not list(tmp_path.rglob("*.partial"))
