"""Making files and folders durable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from millrace.durable import sync


@pytest.mark.parametrize("is_folder", [False, True])
def test_the_disk_is_asked_for_that_file_or_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    place = tmp_path / "place"
    place.mkdir() if is_folder else place.touch()
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fsync", lambda handle: asked.append((os.fstat(handle).st_dev, os.fstat(handle).st_ino)))
    sync(place)
    assert asked == [(place.stat().st_dev, place.stat().st_ino)]


def test_a_disk_that_fails_is_told_and_no_handle_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handles: list[int] = []

    def failing(handle: int) -> None:
        handles.append(handle)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="Input/output error"):
        sync(tmp_path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handles[0])
