"""Object stores that the tests of this folder run on: moto, or those that `MILLRACE_OBJECT_STORES` lists."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sinks.history.places import ObjectPath, located
from tests.servers import ServersUnavailable
from tests.servers.object_stores import STORES, ObjectStoreServer

_NAMES = os.environ.get("MILLRACE_OBJECT_STORES", "moto").split(",")


@pytest.fixture(scope="session", params=_NAMES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreServer]:
    """An object store, and the environment by which this process and its children come in."""
    try:
        made = STORES[request.param](tmp_path_factory.mktemp(request.param))
    except ServersUnavailable as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    with made as running, pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.startswith(("AWS_", "AZURE_", "GOOGLE_", "AZURITE_"))]:
            patch.delenv(name)
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def root(server: ObjectStoreServer) -> ObjectPath:
    """A history in a new bucket."""
    place = located(f"{server.bucket()}/some/history")
    assert isinstance(place, ObjectPath)
    server.link.heal()
    return place
