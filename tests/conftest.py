"""Servers that the whole test session shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import pytest

from tests.servers import Kafka, Postgres, Registry, SecureKafka, ServersUnavailable, Tryton

Server = TypeVar("Server", Kafka, SecureKafka, Postgres, Registry, Tryton)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real broker; tests that kill it must leave it running."""
    with _had(lambda: Kafka(tmp_path_factory.mktemp("kafka"))) as broker:
        yield broker


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real broker of one test, for topics that bear the contracts' own names."""
    with _had(lambda: Kafka(tmp_path_factory.mktemp("own-kafka"))) as broker:
        yield broker


@pytest.fixture(scope="module")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A real broker that asks who comes and grants nothing by itself; see `PASSWORDS` of `kafka_secure`."""
    with _had(lambda: SecureKafka(tmp_path_factory.mktemp("secure-kafka"))) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real database server; tests that stop it must leave it running, each makes its own database (`create`)."""
    with _had(Postgres) as server:
        yield server


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A real schema registry; tests choose subjects of their own."""
    with _had(lambda: Registry(tmp_path_factory.mktemp("registry"))) as server:
        yield server


@pytest.fixture(scope="session")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    """A real ERP; its stock is what the tests before have left, so compare before and after."""
    with _had(lambda: Tryton(tmp_path_factory.mktemp("tryton"))) as server:
        yield server


def _had(make: Callable[[], Server]) -> Server:
    try:
        return make()
    except ServersUnavailable as missing:
        _unavailable(str(missing))


def _unavailable(sentence: str) -> NoReturn:
    """A developer without Java still gets the rest; CI must never pass by skipping."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
