"""The real database server that other tests rely on."""

from __future__ import annotations

import os
import time

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from tests.servers import Postgres

pytestmark = pytest.mark.server
CUT_S = 20.0


def test_a_killed_server_comes_back_with_its_address_and_committed_rows(postgres: Postgres) -> None:
    engine = create_engine(postgres.create("kept"))
    with engine.begin() as connection:
        connection.execute(text("create table kept as select 1 as one"))
    address, first = postgres.url, postgres.pid
    postgres.kill()
    try:
        with pytest.raises(OperationalError):
            _ask_until_cut(engine)
    finally:
        postgres.start()
    with engine.begin() as connection:
        assert connection.scalar(text("select one from kept")) == 1
    engine.dispose()
    assert postgres.url == address
    assert postgres.pid != first


def _ask_until_cut(engine: Engine) -> None:
    """A backend may still answer for a moment after its postmaster was killed."""
    deadline = time.monotonic() + CUT_S
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        time.sleep(0.05)


def test_an_orderly_restart_cuts_its_clients(postgres: Postgres) -> None:
    engine = create_engine(postgres.url)
    with engine.connect() as connection:
        connection.execute(text("select 1"))
        postgres.restart()
        with pytest.raises(OperationalError):
            connection.execute(text("select 1"))
    engine.dispose()


def test_a_killed_backend_costs_every_client_its_connection(postgres: Postgres) -> None:
    engine = create_engine(postgres.url)
    assert not postgres.kill_backend(), "nobody is connected"
    with engine.connect() as connection:
        connection.execute(text("select 1"))
        assert postgres.kill_backend()
        with pytest.raises(OperationalError):
            connection.execute(text("select 1"))
    engine.dispose()
    postgres.restart()


def test_it_runs_as_another_user_than_root_and_syncs(postgres: Postgres) -> None:
    assert os.stat(f"/proc/{postgres.pid}").st_uid != 0
    assert postgres.ask("show fsync").strip() == "on"
