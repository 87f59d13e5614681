"""The ledger's password on a PostgreSQL that asks for one: from a mounted file, and rotated while a poster lives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy.exc import OperationalError

from millrace.errors import Misconfigured
from millrace.ledger import Ledger
from millrace.ledger.peek import peek
from millrace.redact import redact
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server
FIRST, SECOND = "ledger-word-1", "ledger-word-2"
#: Whom the server asks: the tests' own user may do everything, `app` needs its password.
_RULES = "host all app 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"


@pytest.fixture
def server() -> Iterator[Postgres]:
    with TemporaryDirectory(prefix="millrace-rules-") as folder:
        rules = Path(folder) / "pg_hba.conf"
        rules.write_text(_RULES)
        rules.chmod(0o644)
        Path(folder).chmod(0o755)  # root's tests have a server of another user
        with Postgres([f"hba_file={rules}"]) as started:
            started.ask(f"create role app login superuser password '{FIRST}'")
            yield started


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Readable by a group, as a mounted secret is: libpq's own password file would be refused."""
    found = tmp_path / "ledger-password"
    found.write_text(f"{FIRST}\n")
    found.chmod(0o440)
    monkeypatch.setenv("PGPASSWORD_FILE", str(found))
    return found


def url(server: Postgres) -> str:
    return server.url.replace("//millrace@", "//app@")


def test_a_rotated_password_is_taken_at_the_next_connection(server: Postgres, file: Path) -> None:
    with Ledger(url(server), who="test") as ledger:
        assert ledger.unfinished() == 0
        server.ask(f"alter role app password '{SECOND}'")
        assert ledger.unfinished() == 0, "a connection that stands needs none"
        server.ask("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'")
        with pytest.raises(OperationalError):
            ledger.unfinished()
        file.chmod(0o640)
        file.write_text(f"{SECOND}\n")
        assert ledger.unfinished() == 0
    assert peek(url(server)) is not None
    assert redact(SECOND) == "[redacted]"


def test_a_file_that_is_not_there_is_named(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD_FILE", "/nowhere/ledger-password")
    with pytest.raises(Misconfigured, match="/nowhere/ledger-password cannot be read"):
        Ledger(url(server), who="test")


def test_without_the_file_the_server_refuses(server: Postgres) -> None:
    """The control: the server does ask."""
    with pytest.raises(OperationalError, match="no password supplied"):
        Ledger(url(server), who="test")
