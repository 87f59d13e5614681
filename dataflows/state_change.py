"""Changes of a recovery store by a person: a copy is kept first, and each is written down in the store's folder."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dataflows.kept_files import KEPT
from dataflows.state import LAYOUT
from dataflows.state_store import partitions
from dataflows.unfinished_epochs import PARTITIONS
from millrace.durable import sync
from millrace.errors import Misconfigured
from millrace.failpoints import hit

BACKUPS = "backups"
#: A line of JSON for each change: what, when, who, why, and where the copy of the former state is.
CHANGES = "changes.jsonl"
RESET = "reset"


def back_up(recovery: Path, what: str) -> Path:
    """Copy the store into its folder `backups`; the copy has its final name only when it is whole.

    Call it while no process of the flow runs.

    Returns:
        Folder of the copy: it is a recovery store itself.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    copy = recovery / BACKUPS / f"{stamp}-{what}"
    partial = copy.with_name(f".{copy.name}")
    partial.mkdir(parents=True)
    for path in partitions(recovery):
        with closing(sqlite3.connect(path)) as store, closing(sqlite3.connect(partial / path.name)) as target:
            store.backup(target)
    shutil.copy2(recovery / LAYOUT, partial / LAYOUT)
    if (recovery / KEPT).is_dir():
        shutil.copytree(recovery / KEPT, partial / KEPT)
    for path in [*partial.rglob("*")]:
        sync(path)
    hit("state.before_rename")
    partial.rename(copy)
    sync(copy.parent)
    return copy


def write_down(recovery: Path, what: str, reason: str, copy: Path, **fields: Any) -> None:
    """Add a line to the store's list of changes."""
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": what,
        "who": getpass.getuser(),
        "reason": reason,
        "copy": str(copy.relative_to(recovery)),
        **fields,
    }
    with (recovery / CHANGES).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def changes_of(recovery: Path) -> list[dict[str, Any]]:
    """What was written down, oldest first.

    Raises:
        Misconfigured: A line is no JSON.
    """
    path = recovery / CHANGES
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise Misconfigured(f"{path}:{number}: {error}") from error
    return found


def empty(recovery: Path, reason: str) -> Path:
    """Take the state out of a store, so that the next start makes a new one; the copy stays in `backups`.

    The layout goes last: after a crash in between, `millrace run` refuses what is left, and a second call finishes.

    Returns:
        Folder of the copy.
    """
    state = str(layout_of(recovery).get("state", ""))
    begun = next((each for each in changes_of(recovery) if each["what"] == RESET and each["state"] == state), None)
    if begun is None:
        copy = back_up(recovery, RESET)
        write_down(recovery, RESET, reason, copy, state=state)
    else:
        copy = recovery / begun["copy"]
    hit("state.before_reset")
    for path in recovery.glob(f"{PARTITIONS}*"):
        path.unlink()
    shutil.rmtree(recovery / KEPT, ignore_errors=True)
    hit("state.between_files")
    (recovery / LAYOUT).unlink()
    return copy


def layout_of(recovery: Path) -> dict[str, Any]:
    """What the state was laid out for, as `millrace run` wrote it.

    Raises:
        Misconfigured: It is not there, or is no JSON object.
    """
    path = recovery / LAYOUT
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(_why_unread(recovery, error)) from error
    except json.JSONDecodeError as error:
        told = f"is no JSON any more ({error.msg}); the copies in {BACKUPS} have it"
        raise Misconfigured(f"{path}:{error.lineno}: {told}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}: is no text any more; the copies in {BACKUPS} have it") from error
    if not isinstance(found, dict):
        raise Misconfigured(f"{path}:1: expected an object, found {type(found).__name__}")
    return found


def _why_unread(recovery: Path, error: OSError) -> str:
    """A sentence for a person who named the wrong folder, or may not look into it."""
    if isinstance(error, PermissionError):
        return f"{recovery / LAYOUT}: this user may not read it; call as the flow's user"
    if isinstance(error, NotADirectoryError):
        return f"{recovery}: is a file; a recovery store is a folder"
    if not isinstance(error, FileNotFoundError):
        return f"{recovery / LAYOUT}: cannot be read: {error.strerror}"
    if not recovery.exists():
        return f"{recovery}: there is no such folder; no recovery store was made here by `millrace run`"
    return f"{recovery}: has no {LAYOUT}; no recovery store was made here by `millrace run`"


__all__ = ["BACKUPS", "CHANGES", "back_up", "changes_of", "empty", "layout_of", "write_down"]
