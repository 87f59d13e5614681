"""Servers that the whole test session shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from tests.servers import Kafka, Registry, ServersUnavailable

Server = TypeVar("Server", Kafka, Registry)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real broker; tests that kill it must leave it running."""
    with _had(Kafka, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A real schema registry; tests choose subjects of their own."""
    with _had(Registry, tmp_path_factory.mktemp("registry")) as server:
        yield server


def _had(kind: Callable[[Path], Server], folder: Path) -> Server:
    try:
        return kind(folder)
    except ServersUnavailable as missing:
        _unavailable(str(missing))


def _unavailable(sentence: str) -> NoReturn:
    """A developer without Java still gets the rest; CI must never pass by skipping."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
